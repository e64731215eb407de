namespace LowRankTraining.Layers;

public sealed partial class AdapterSession
{
    internal AdapterSettings Settings => _method.Settings;

    /// <summary>A parameter, or a buffer that is saved with a model, by the name that it has there, or null: a lookup for many names.</summary>
    internal Func<string, Tensor?> Tensors()
    {
        var saved = Buffers.ToHashSet();
        var named = _model.named_parameters().Select(pair => (pair.name, tensor: (Tensor)pair.parameter))
            .Concat(_model.named_buffers().Where(pair => saved.Contains(pair.name)).Select(pair => (pair.name, tensor: pair.buffer)))
            .DistinctBy(pair => pair.name).ToDictionary(pair => pair.name, pair => pair.tensor);
        return name => _model.get_parameter(name) ?? named.GetValueOrDefault(name);
    }

    /// <summary>The names of what is saved with the model and is no parameter, such as the averages of a batch norm.</summary>
    internal IEnumerable<string> Buffers => _model.state_dict().Keys.Except(_model.named_parameters().Select(pair => pair.name));

    /// <summary>The module that an adapted matrix belongs to, as it hangs in the model now; null where it stands in several places, or in none.</summary>
    internal nn.Module? ModuleOf(FactorSet set) => _adapters.Any(adapter => adapter.Name == set.Weight && adapter.Site.IsTied) ? null
        : ParameterPlace.ModulesOf(_model).FirstOrDefault(pair => pair.Path == set.Module).Module;

    /// <summary>The names of the model's parameters, as they were found.</summary>
    internal IReadOnlyList<string> ParameterNames => _order;

    /// <summary>What is trained of the model beside the factors.</summary>
    internal IEnumerable<ParameterPlan> TrainedBeside => Parameters.Where(plan => plan.IsOfModel && !plan.IsFrozen);

    /// <summary>The factors, where they are a change of weights that are known.</summary>
    internal IReadOnlyList<FactorSet> PlainFactors()
    {
        RequireAtWork();
        RequireInitialized();
        var factors = OwnFactors();
        Adapter.RequireMergeable(_adapters);
        if (factors.FirstOrDefault(set => set.LeavesBase && set.IsQuantized) is { } quantized)
            throw new NotSupportedException($"The factors of '{quantized.Weight}' started from a part of the weight, and the rest is quantized, "
                + "so they are no change of a weight that is known: call Finish() and save the model. Nothing was written.");
        if (factors.FirstOrDefault(set => set.Initial is { } initial && !IsMerged && !initial.BelongTo(set.Base)) is { } moved)
            throw new InvalidOperationException($"The factors of '{moved.Weight}' started from another weight than the model has now, "
                + "so they are no change of a weight that is known. "
                + "Load the original model, attach, then resume the run; or call Finish() and save the model. Nothing was written.");
        if (factors.FirstOrDefault(set => set.LeavesBase && set.Initial is null) is { } unknown)
            throw new InvalidOperationException($"The start of the factors of '{unknown.Weight}' is not in the checkpoint that they came from, "
                + "so their change of the original weight is not known: "
                + $"load the original model, attach, call {nameof(Initialize)} with the same batches as then, and resume the run; "
                + "or call Finish() and save the model. Nothing was written.");
        return factors;
    }

    /// <summary>The factors, where others can be put in their place.</summary>
    internal IReadOnlyList<FactorSet> SettableFactors()
    {
        RequireAtWork();
        RequireUnmerged();
        var factors = OwnFactors();
        if (factors.FirstOrDefault(set => set is { IsShadowed: true, Put: null }) is { } shadowed)
            throw new InvalidOperationException($"'{shadowed.Weight}' is shadowed: its factors are optimizer state, and there is no optimizer yet. "
                + "Call CreateOptimizer() on the session before an adapter is loaded. Nothing was changed.");
        if (factors.Any(set => set.LeavesBase))
            throw new InvalidOperationException("The factors start from a part of the weights, which an adapter knows nothing of: "
                + $"attach with {nameof(FactorInit)}.{nameof(FactorInit.Kaiming)} to load one. Nothing was changed.");
        return factors;
    }

    private FactorSet[] OwnFactors()
    {
        if (!_method.KeepsBase)
            throw new NotSupportedException($"{Strategy} merges its factors into the weights as it goes, so they are no adapter of the original model: "
                + "call Finish() and save the model.");
        return [.. _adapters.Select(adapter => adapter.FactorsIn(_state)
            ?? throw new NotSupportedException($"'{adapter.Name}' is shadowed, and its factors have started from a part of the weight, which is in it again. "
                + "Use Injection.Replace or Injection.Hook where adapters are to be saved, or call Finish() and save the model."))];
    }
}
