namespace LowRankTraining.Numerics;

/// <summary>Brings singular values of at most 1 toward 1 by products alone: X ← p(X Xᵀ) X with p(A) = a I + b A + c A².</summary>
/// <remarks>
/// <para>A step is three products, two of which have the length of X. Of a long X several steps are taken at once: each p is a polynomial of the first X Xᵀ, so
/// that all of them commute, X Xᵀ becomes p(A) A p(A), and X is multiplied by the product of the p at the end.</para>
/// <para>Multiplications and additions of one step on s × l: s² (2 l + s); of k at once: s² (2 l + (4 k − 3) s), and on the CPU for float32 about two thirds of
/// what has a symmetric result.</para>
/// </remarks>
internal readonly record struct NewtonSchulz(double A, double B, double C)
{
    /// <summary>Takes singular values between 0.01 and 1 to within 0.3 of 1 in five steps, and not to 1.</summary>
    /// <remarks>Source: Jordan et al., Muon, https://kellerjordan.github.io/posts/muon/ (2024).</remarks>
    public static NewtonSchulz Steep { get; } = new(3.4445, -4.7750, 2.0315);

    /// <summary>Takes an error e of singular values near 1 to about 5/2 e³.</summary>
    public static NewtonSchulz Last { get; } = new(15 / 8.0, -10 / 8.0, 3 / 8.0);

    /// <summary>Steps at once, of which the rounding of the product of their p may be aᵏ times that of X.</summary>
    private const int MostAtOnce = 3, MostAtOnceInBFloat16 = 2;

    /// <summary>l / s from which several at once are fewer operations than one after the other, however many they are.</summary>
    private const double Long = 1.5;

    /// <summary>s from which operations are what takes the time.</summary>
    private const long Large = 128;

    /// <summary>Takes some steps.</summary>
    /// <param name="x">X, rows × columns.</param>
    /// <param name="steps">How many.</param>
    /// <returns>A new tensor.</returns>
    public Tensor Steps(Tensor x, int steps)
    {
        using var scope = NewDisposeScope();
        var most = MostOf(x);
        var polar = x;
        for (var left = steps; left > 0; left -= most)
        {
            var before = polar;
            polar = AtOnce(before, Math.Min(left, most));
            if (left < steps)
                before.Dispose();
        }

        return polar.MoveToOuterDisposeScope();
    }

    private static int MostOf(Tensor x)
    {
        var (rows, columns) = (x.size(0), x.size(1));
        var (shorter, longer) = (Math.Min(rows, columns), Math.Max(rows, columns));
        return shorter < Large || longer <= Long * shorter ? 1 : x.dtype == ScalarType.BFloat16 ? MostAtOnceInBFloat16 : MostAtOnce;
    }

    /// <summary>P X, with P = aᵏ I + (what is added up in <c>rest</c>): half precision has no digits left for both in one matrix.</summary>
    private Tensor AtOnce(Tensor x, int steps)
    {
        using var scope = NewDisposeScope();
        var gram = SymmetricProducts.Gram(x);
        var (identity, rest) = (A, Polynomial(gram));
        for (var (step, last) = (1, rest); step < steps; step++)
        {
            using var before = gram;
            gram = Stepped(before, last);
            last = Polynomial(gram);
            rest = Times(rest, identity, last);
            identity *= A;
        }

        gram.Dispose();
        return Sum(x, identity, rest).MoveToOuterDisposeScope();
    }

    /// <summary>p(A) − a I.</summary>
    private Tensor Polynomial(Tensor gram) => SymmetricProducts.Plus(gram, B, gram, gram, C);

    /// <summary>p(A) A p(A), from A and p(A) − a I.</summary>
    private Tensor Stepped(Tensor gram, Tensor polynomial)
    {
        using var half = SymmetricProducts.Plus(gram, A, polynomial, gram);
        return SymmetricProducts.Plus(half, A, polynomial, half);
    }

    /// <summary>p(A) (rest + identity I), less a multiple of I, from p(A) − a I.</summary>
    private Tensor Times(Tensor rest, double identity, Tensor polynomial)
    {
        using var before = rest;
        using var linear = rest.mul(A).add_(polynomial, identity);
        return SymmetricProducts.Plus(linear, 1, polynomial, rest);
    }

    /// <summary>identity · X + rest · X, on the shorter side; a new tensor.</summary>
    private static Tensor Sum(Tensor x, double identity, Tensor rest)
    {
        var (left, right) = x.IsTall() ? (x, rest) : (rest, x);
        return x.dtype == ScalarType.Float64 ? left.mm(right).add_(x, identity) : x.addmm(left, right, beta: (float)identity, alpha: 1);
    }
}
