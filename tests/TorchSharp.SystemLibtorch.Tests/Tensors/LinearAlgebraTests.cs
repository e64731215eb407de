using FluentAssertions;
using Xunit;
using static TorchSharp.torch;

namespace TorchSharp.SystemLibtorch.Tests.Tensors;

public sealed class LinearAlgebraTests
{
    private static Tensor Matrix(long rows, long columns)
    {
        using var generator = new Generator(3);
        return randn(rows, columns, dtype: float64, generator: generator);
    }

    private static Tensor Positive(long size)
    {
        var a = Matrix(size, size);
        return a.mm(a.t()) + eye(size, dtype: float64);
    }

    [Fact]
    public void Decompositions_multiply_back()
    {
        var a = Matrix(5, 3);
        var (u, s, vh) = linalg.svd(a, fullMatrices: false);
        u.mul(s).mm(vh).allclose(a).Should().BeTrue();
        linalg.svdvals(a).allclose(s).Should().BeTrue();
        linalg.svd(a).U.shape.Should().Equal(5, 5);

        var (q, r) = linalg.qr(a);
        q.mm(r).allclose(a).Should().BeTrue();
        q.t().mm(q).allclose(eye(3, dtype: float64)).Should().BeTrue();
        linalg.qr(a, linalg.QRMode.Complete).Q.shape.Should().Equal(5, 5);

        var p = Positive(4);
        var (values, vectors) = linalg.eigh(p);
        vectors.mul(values).mm(vectors.t()).allclose(p).Should().BeTrue();
        linalg.eigvalsh(p).allclose(values).Should().BeTrue();
        var lower = linalg.cholesky(p);
        lower.mm(lower.t()).allclose(p).Should().BeTrue();
    }

    [Fact]
    public void Cholesky_ex_reports_where_a_matrix_stops_being_positive()
    {
        var (_, good) = linalg.cholesky_ex(Positive(3));
        good.ToInt32().Should().Be(0);
        var (_, bad) = linalg.cholesky_ex(diag(tensor(new double[] { 1, -1, 1 })));
        bad.ToInt32().Should().Be(2);
    }

    [Fact]
    public void Solvers_solve()
    {
        var a = Positive(4);
        var b = Matrix(4, 2);
        a.mm(linalg.solve(a, b)).allclose(b).Should().BeTrue();
        a.mm(linalg.inv(a)).allclose(eye(4, dtype: float64)).Should().BeTrue();
        var upper = a.triu();
        upper.mm(linalg.solve_triangular(upper, b, upper: true)).allclose(b).Should().BeTrue();
        linalg.det(diag(tensor(new double[] { 2, 3 }))).ToDouble().Should().BeApproximately(6, 1e-12);
    }

    [Fact]
    public void Products_agree()
    {
        var a = Matrix(2, 3);
        var b = Matrix(3, 4);
        var product = a.mm(b);
        a.matmul(b).allclose(product).Should().BeTrue();
        einsum("ij,jk->ik", a, b).allclose(product).Should().BeTrue();
        zeros(2, 4, dtype: float64).addmm_(a, b).allclose(product).Should().BeTrue();
        a.unsqueeze(0).bmm(b.unsqueeze(0)).squeeze(0).allclose(product).Should().BeTrue();
        a.mv(b[.., 0]).allclose(product[.., 0]).Should().BeTrue();
        outer(a[0], b[0]).shape.Should().Equal(3, 4);
        dot(a[0], a[1]).allclose((a[0] * a[1]).sum()).Should().BeTrue();
        tensordot(a, b, 1).allclose(product).Should().BeTrue();
    }
}
