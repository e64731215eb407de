namespace LowRankTraining.Mixing;

/// <summary>What a <see cref="GradientAlignmentMixer"/> sees of the gradients: a float32 vector whose inner products are theirs, or nearly.</summary>
/// <remarks>The mixer keeps one such vector for each source of the last update: one, when an update is one micro-batch.</remarks>
public abstract class GradientView
{
    private protected GradientView() { }

    /// <value>Says which views can read each other's vectors.</value>
    internal abstract string Layout { get; }

    /// <value>Where the vectors are.</value>
    internal abstract Device Device { get; }

    /// <summary>The view for a method at work: the gradients of its low-rank factors, where its factors are parameters
    /// of the model; else a sketch of all gradients.</summary>
    /// <param name="session">A strategy at work on a model. Factors that are shadowed have no gradients of their own; if all are, it is the sketch.</param>
    public static GradientView For(ILowRankSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        var whole = Sketch(session.Parameters.Select(plan => plan.Parameter));
        return session.FactorParameters is null ? whole : new FactorGradients(session, whole);
    }

    /// <summary>All numbers of some parameters' gradients: of factors, or of a part of the model such as the last block.</summary>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static GradientView Of(IEnumerable<Parameter> parameters) => new WholeGradients(Require(parameters));

    /// <summary>All numbers of the gradients of a part of the model, such as the last block or the head.</summary>
    /// <exception cref="ArgumentException">It has no trainable parameter.</exception>
    public static GradientView Of(nn.Module part)
    {
        ArgumentNullException.ThrowIfNull(part);
        return Of(part.parameters().Where(parameter => parameter.requires_grad));
    }

    /// <summary>A random projection of some parameters' gradients on a few dimensions, whose inner products are right on average.</summary>
    /// <param name="parameters">All parameters of the model, for example.</param>
    /// <param name="dimensions">k, at least 1. A cosine is off by about 1/√k, 3 % by default. The default is a prime, so that neither rows nor columns of a
    /// matrix meet in one dimension.</param>
    /// <param name="seed">Of the random signs.</param>
    /// <exception cref="ArgumentException">There are no parameters, or fewer than one dimension.</exception>
    public static GradientView Sketch(IEnumerable<Parameter> parameters, int dimensions = 1021, ulong seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(dimensions, 1);
        return new GradientSketch(Require(parameters), dimensions, seed);
    }

    /// <summary>The vector at this moment, a tensor of the caller's. A parameter without gradient counts as zeros.</summary>
    internal Tensor Read()
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        return Compute().MoveToOuterDisposeScope();
    }

    private protected abstract Tensor Compute();

    private protected static string Size(IEnumerable<Parameter> parameters) => $"{parameters.Sum(parameter => parameter.numel())} numbers";

    private static Parameter[] Require(IEnumerable<Parameter> parameters)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameter[] given = [.. parameters];
        if (Array.Exists(given, parameter => parameter is null || parameter.IsInvalid))
            throw new ArgumentException("A parameter to watch is null or was disposed, perhaps with its model: pass those of the model as it is now.",
                nameof(parameters));
        Parameter[] list = [.. given.DistinctBy(parameter => ParameterIdentity.Of(parameter))];
        return list.Length > 0 ? list : throw new ArgumentException("There are no trainable parameters to watch the gradients of.", nameof(parameters));
    }
}

/// <summary>Every number of the gradients, one parameter after the other.</summary>
internal sealed class WholeGradients(IReadOnlyList<Parameter> parameters) : GradientView
{
    internal override string Layout => $"gradients of {Size(parameters)}";

    internal override Device Device => parameters[0].device;

    private protected override Tensor Compute() => Flat(parameters);

    /// <summary>A copy, on the device of the first parameter. Of a single tensor <c>cat</c> gives an alias, and the next backward pass would add to what was
    /// read.</summary>
    public static Tensor Flat(IReadOnlyList<Parameter> parameters)
    {
        Tensor[] gradients = [.. parameters.Select(parameter => Flat(parameter, parameters[0].device))];
        return gradients is [var only] ? only.clone() : cat(gradients);
    }

    private static Tensor Flat(Parameter parameter, Device device) => parameter.grad is { } gradient
        ? gradient.to(ScalarType.Float32, device).reshape(-1)
        : zeros(parameter.numel(), ScalarType.Float32, device);
}

/// <summary>The gradients of the low-rank factors of a weight-space method, all their numbers.</summary>
/// <remarks>Which layers have factors with gradients may turn out in the first step only (a hook that the model passes by), or change in training (the end of a
/// warm start), so they are asked for at every use. A vector of another length than the one before is never compared with it.</remarks>
internal sealed class FactorGradients(ILowRankSession session, GradientView otherwise) : GradientView
{
    internal override string Layout => $"gradients of the factors of '{session.Strategy}', or {otherwise.Layout}";

    internal override Device Device => otherwise.Device;

    private protected override Tensor Compute() => session.FactorParameters is { Count: > 0 } factors ? WholeGradients.Flat(factors) : otherwise.Read();
}
