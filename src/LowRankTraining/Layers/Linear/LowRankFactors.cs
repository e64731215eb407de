namespace LowRankTraining.Layers;

/// <summary>The algebra of a weight with low-rank factors: W + s B A, with W m × n, A r × n, B m × r.</summary>
internal static class LowRankFactors
{
    public const string A = "lora_A", B = "lora_B";

    /// <summary>Whether a module has factors, trained or not: it is a layer of this library, or a plain one with factors beside its weight.</summary>
    public static bool AreIn(nn.Module module) => module is ReparameterizedLinear || module.named_parameters(recurse: false).Any(own => own.name == A);

    /// <exception cref="ArgumentOutOfRangeException">Rank, scale or dropout out of range.</exception>
    public static void Require(Linear source, int rank, double scale, double dropout)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, source.weight.shape.Min());
        ArgumentOutOfRangeException.ThrowIfNegative(dropout);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(dropout, 1);
        if (!double.IsFinite(scale))
            throw new ArgumentOutOfRangeException(nameof(scale), scale, "The scale must be a finite number.");
    }

    /// <summary>A and B for a weight: A uniform, B at zero.</summary>
    public static (Parameter A, Parameter B) Make(Parameter weight, long rank, ulong key)
    {
        using var guard = no_grad();
        var (rows, columns) = (weight.shape[0], weight.shape[1]);
        var a = new Parameter(UniformRows.Draw(rank, columns, weight.dtype, weight.device, key));
        var b = new Parameter(zeros(rows, rank, weight.dtype, weight.device));
        a.DetachFromDisposeScope();
        b.DetachFromDisposeScope();
        return (a, b);
    }

    /// <summary>h = s x Aᵀ, for x of N rows, some of whose entries may be dropped. The scale is on these N × r numbers, not on the N × m of the
    /// output.</summary>
    public static Tensor Hidden(Tensor x, Tensor a, double scale, DropoutMask? dropout, bool training)
    {
        if (dropout is not null && training)
            return DroppedProduct.apply(x, a, new DroppedProduct.Pass(dropout, dropout.Next(), scale));

        using var scope = NewDisposeScope();
        return x.mm(a.t()).mul_(scale).MoveToOuterDisposeScope();
    }

    /// <summary>A view of <paramref name="tensor"/> with all dimensions but the last in one.</summary>
    public static Tensor Rows(Tensor tensor) => tensor.dim() == 2 ? tensor : tensor.reshape(-1, tensor.shape[^1]);

    /// <summary>W ← W + s B A, in float32 (or float64) and rounded once: a half-precision weight stochastically, or
    /// to the nearest where there is no generator.</summary>
    public static void MergeInto(Tensor weight, Tensor a, Tensor b, double scale, Generator? rounding)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = weight.dtype.Computing();
        var (left, right) = (b.to(precise).mul(scale), a.to(precise));

        if (weight.dtype == precise)
            weight.addmm_(left, right);
        else
            Write(weight.to(precise).addmm_(left, right), weight, rounding);
    }

    /// <summary>Puts values of full precision into a weight, rounded as in <see cref="MergeInto"/>.</summary>
    public static void Write(Tensor values, Tensor weight, Generator? rounding)
    {
        if (rounding is null || weight.dtype == values.dtype)
            weight.copy_(values);
        else
            StochasticRounding.Copy(values, weight, rounding);
    }

    /// <summary>A float32 tensor in another dtype: half precision stochastically, or to the nearest where there is no generator.</summary>
    public static Tensor Rounded(Tensor precise, ScalarType dtype, Generator? rounding)
    {
        if (rounding is null || !dtype.IsHalf())
            return precise.to(dtype);

        var rounded = empty(precise.shape, dtype, precise.device);
        StochasticRounding.Copy(precise, rounded, rounding);
        return rounded;
    }

    /// <summary>W + s B A as a new tensor, float32 or float64.</summary>
    public static Tensor Effective(Tensor weight, Tensor a, Tensor b, double scale)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var precise = weight.dtype.Computing();
        return addmm(weight.to(precise), b.to(precise).mul(scale), a.to(precise), 1, 1).MoveToOuterDisposeScope();
    }

    /// <summary>So many entries of L R, read row by row from <paramref name="start"/> on, without the rest of the product.</summary>
    public static Tensor PartOfProduct(Tensor left, Tensor right, long start, long length)
    {
        using var scope = NewDisposeScope();
        var columns = right.shape[1];
        var first = start / columns;
        var rows = (start + length + columns - 1) / columns - first;
        return left.narrow(0, first, rows).mm(right).view(-1).narrow(0, start - first * columns, length).MoveToOuterDisposeScope();
    }

    /// <summary>Whether tensors are free of NaN and infinity, with one read from each device for all of them.</summary>
    public static bool AreFinite(IEnumerable<Tensor> tensors)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return tensors.Select(IsFinite).GroupBy(verdict => (verdict.device_type, verdict.device_index)).ToArray()
            .All(verdicts => stack(verdicts).all().ToBoolean());
    }

    private static Tensor IsFinite(Tensor tensor)
    {
        using var scope = NewDisposeScope();
        return tensor.isfinite().all().MoveToOuterDisposeScope();
    }

    /// <summary>Gives the factors another rank, filled with zeros. The parameters stay the same objects: TorchSharp keys optimizer state by them.</summary>
    public static void Resize(Parameter a, Parameter b, long rank)
    {
        if (a.shape[0] == rank)
            return;

        using var guard = no_grad();
        using var scope = NewDisposeScope();
        (a.grad, b.grad) = (null!, null!);
        a.set_(zeros(rank, a.shape[1], a.dtype, a.device));
        b.set_(zeros(b.shape[0], rank, b.dtype, b.device));
    }

    /// <summary>B ← 0 and A ← a new draw, of the rank that they have.</summary>
    public static void Redraw(Parameter a, Parameter b, ulong key)
    {
        using var guard = no_grad();
        using var fresh = UniformRows.Draw(a.shape[0], a.shape[1], a.dtype, a.device, key);
        a.copy_(fresh);
        b.zero_();
    }
}
