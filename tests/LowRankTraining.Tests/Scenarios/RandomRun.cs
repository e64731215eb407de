using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>A run of a script, with or without an interruption.</summary>
internal sealed class RandomRun : IDisposable
{
    private readonly ILowRankStrategy _method;
    private readonly RandomScript _script;
    private readonly LossScaler? _scaler;
    private OptionTrial.Small _model;
    private LowRankOptimizer _optimizer;

    public RandomRun(ILowRankStrategy method, RandomScript script)
    {
        (_method, _script, _scaler) = (method, script, script.ScalesLoss ? new(init_scale: 64, growth_interval: 2) : null);
        (_model, _optimizer) = Start(seed: 1);
    }

    public LowRankOptimizer Optimizer => _optimizer;

    public void Train(bool isInterrupted)
    {
        for (var step = 0; step < _script.Steps.Count; step++)
            Take(step, isInterrupted && step == _script.Interrupted);
    }

    /// <value>Every number that training has changed, in the model and in the optimizer's state.</value>
    public byte[] Bits
    {
        get
        {
            using var scope = NewDisposeScope();
            return [.. _model.state_dict().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value)
                .Concat(_optimizer.Session.Parameters.SelectMany(plan => _optimizer.For(plan.Parameter).Tensors.Values))
                .SelectMany(tensor => tensor.detach().contiguous().bytes.ToArray())];
        }
    }

    public bool IsFinite
    {
        get
        {
            using var scope = NewDisposeScope();
            return _model.named_parameters().All(pair => !pair.parameter.is_floating_point() || pair.parameter.isfinite().all().ToBoolean());
        }
    }

    public void Dispose()
    {
        _optimizer.Dispose();
        _model.Dispose();
    }

    private (OptionTrial.Small Model, LowRankOptimizer Optimizer) Start(long seed)
    {
        manual_seed(seed);
        var model = new OptionTrial.Small();
        model.to(_script.Dtype);
        try
        {
            return (model, _method.Attach(model, null, _script.Flow).CreateOptimizer(lr: 1e-2, weight_decay: _script.WeightDecay));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private void Take(int number, bool isInterrupted)
    {
        var step = _script.Steps[number];
        Toggle(step.Toggles);
        _optimizer.zero_grad();
        for (var batch = 0; batch < step.MicroBatches; batch++)
        {
            Backward(step, (ulong)(100 * number + batch));
            if (step.Accumulates)
                _optimizer.accumulate();
            if (isInterrupted && batch == 0 && IsWithinWindow(step))
                Interrupt(number);
        }

        if (step.Clip is { } largest)
        {
            _scaler?.unscale_(_optimizer);
            _optimizer.clip_grad_norm_(largest);
        }

        if (_scaler is null)
            _optimizer.step();
        else
            _scaler.step(_optimizer);
        if (isInterrupted && !IsWithinWindow(step))
            Interrupt(number);
    }

    /// <summary>Whether the interruption is between two micro-batches: the optimizer knows of those that it has been told of.</summary>
    private bool IsWithinWindow(RandomScript.Step step) => _script.WithinWindow && step is { MicroBatches: > 1, Accumulates: true };

    private void Backward(RandomScript.Step step, ulong batch)
    {
        using var scope = NewDisposeScope();
        var output = _model.call(Tests.Draw.Normal([8, 24], batch).to(_script.Dtype));
        var loss = output.to(ScalarType.Float32).square().mean() * step.Factor;
        (_scaler?.scale(loss) ?? loss).backward();
    }

    private void Toggle(string? name)
    {
        foreach (var plan in _optimizer.Session.Parameters.Where(plan => plan.Name == name && plan.IsOfModel))
            plan.Parameter.requires_grad = !plan.Parameter.requires_grad;
    }

    private void Interrupt(int number)
    {
        using var folder = new TemporaryDirectory();
        TrainingCheckpoint.Save(folder.Path, _model, _optimizer);
        Dispose();

        // What WeLore does depends on the weights that it finds.
        (_model, _optimizer) = Start(seed: _method is WeLore ? 1 : 2);
        foreach (var step in _script.Steps.Take(number + 1))
            Toggle(step.Toggles);
        TrainingCheckpoint.Load(folder.Path, _model, _optimizer);
    }
}
