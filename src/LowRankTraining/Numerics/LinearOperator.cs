namespace LowRankTraining.Numerics;

/// <summary>A matrix A that is seen through its products.</summary>
internal abstract class MatrixProducts
{
    /// <summary>A X.</summary>
    public abstract Tensor Times(Tensor right);

    /// <summary>Aᵀ X.</summary>
    public abstract Tensor TransposedTimes(Tensor right);

    /// <summary>‖A‖, a scalar on the matrix's device.</summary>
    public abstract Tensor Norm();
}

/// <summary>A = δᵀ x, which is not formed.</summary>
/// <param name="delta">δ, N × rows.</param>
/// <param name="input">x, N × columns.</param>
internal sealed class FactoredProducts(Tensor delta, Tensor input) : MatrixProducts
{
    public override Tensor Times(Tensor right) => delta.t().mm(input.mm(right));

    public override Tensor TransposedTimes(Tensor right) => input.t().mm(delta.mm(right));

    public override Tensor Norm() => ProductNorm.Of(delta, input);
}

/// <summary>A matrix A that is seen through linear functions of it, so that it may be the sum of matrices that lie in different places. Only where it is held
/// it has a norm to be asked for.</summary>
internal abstract class LinearOperator : MatrixProducts
{
    /// <value>A itself where it is held here; else zeros of its shape, dtype and device, which take no memory.</value>
    public abstract Tensor Like { get; }

    /// <value>Whether A is held here.</value>
    public virtual bool IsHeld => false;

    /// <value>Aᵀ.</value>
    public abstract LinearOperator Transposed { get; }

    /// <summary>f(A).</summary>
    /// <param name="linear">f, which must be linear: of a sum it is called for each addend.</param>
    public abstract Tensor Through(Func<Tensor, Tensor> linear);

    public sealed override Tensor Times(Tensor right) => Through(matrix => matrix.mm(right));

    public sealed override Tensor TransposedTimes(Tensor right) => Through(matrix => matrix.t().mm(right));

    public sealed override Tensor Norm() => Like.norm();

    /// <summary>XᵀA.</summary>
    public Tensor Within(Tensor columns) => Through(matrix => columns.t().mm(matrix));
}

/// <summary>One that is held.</summary>
/// <param name="matrix">A.</param>
internal sealed class DenseOperator(Tensor matrix) : LinearOperator
{
    public override Tensor Like => matrix;

    public override bool IsHeld => true;

    public override DenseOperator Transposed => new(matrix.t());

    public override Tensor Through(Func<Tensor, Tensor> linear) => linear(matrix);
}

/// <summary>A = A₁ + A₂ + …</summary>
/// <param name="parts">Those addends that are here; null for one that is zero.</param>
/// <param name="like">Zeros of their shape.</param>
/// <param name="add">Adds up what a function has made of them, and of those elsewhere.</param>
internal sealed class SumOperator(IReadOnlyList<Tensor?> parts, Tensor like, Func<IEnumerable<Tensor?>, Tensor> add) : LinearOperator
{
    public override Tensor Like => like;

    public override SumOperator Transposed => new([.. parts.Select(part => part?.t())], like.t(), add);

    public override Tensor Through(Func<Tensor, Tensor> linear) =>
        add(parts.All(part => part is null) ? [linear(like)] : parts.Select(part => part is null ? null : linear(part)));
}

/// <summary>k A + B, B held everywhere.</summary>
/// <param name="seen">A.</param>
/// <param name="scale">k.</param>
/// <param name="added">B.</param>
internal sealed class MixedOperator(LinearOperator seen, double scale, Tensor added) : LinearOperator
{
    public override Tensor Like => seen.Like;

    public override MixedOperator Transposed => new(seen.Transposed, scale, added.t());

    public override Tensor Through(Func<Tensor, Tensor> linear) => seen.Through(linear).mul_(scale).add_(linear(added));
}
