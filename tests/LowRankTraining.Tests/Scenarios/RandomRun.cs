using LowRankTraining.Checkpoints;
using LowRankTraining.Strategies;
using LowRankTraining.Tests.Strategies;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>A run of a script, with or without an interruption; or the part that one of several processes has in it.</summary>
internal sealed class RandomRun : IDisposable
{
    /// <summary>torch's generator, from which a model's weights come, is one for all threads.</summary>
    private static readonly Lock Making = new();

    private readonly ILowRankStrategy _method;
    private readonly RandomScript _script;
    private readonly ICollective? _world;
    private readonly string _folder;
    private readonly LossScaler? _scaler;
    private nn.Module<Tensor, Tensor> _model;
    private LowRankOptimizer _optimizer;

    /// <param name="method">What trains.</param>
    /// <param name="script">What happens. With several processes every step has a micro-batch for each lane.</param>
    /// <param name="folder">For the checkpoint.</param>
    /// <param name="world">The processes; null for one alone.</param>
    public RandomRun(ILowRankStrategy method, RandomScript script, string folder, ICollective? world = null)
    {
        (_method, _script, _folder, _world) = (method, script, folder, world);
        _scaler = script.ScalesLoss ? new(init_scale: 64, growth_interval: 2) : null;
        (_model, _optimizer) = Start(seed: 1);
    }

    /// <summary>The model that the first of so many processes has in the end, of a step of four micro-batches; they compare their weights after each
    /// step.</summary>
    public static byte[] InProcesses(int count, ILowRankStrategy method, RandomScript script, bool isInterrupted)
    {
        using var folder = new TemporaryDirectory();
        byte[] bits = [];
        InProcessWorld.Run(count, world =>
        {
            using var scope = NewDisposeScope();
            using var run = new RandomRun(method, script, folder.Path, world);
            run.Optimizer.CompareEvery = 1;
            run.Train(isInterrupted);
            if (world.Rank == 0)
                bits = run.ModelBits;
        }, lanes: 4);
        return bits;
    }

    public LowRankOptimizer Optimizer => _optimizer;

    public void Train(bool isInterrupted)
    {
        for (var step = 0; step < _script.Steps.Count; step++)
            Take(step, isInterrupted && step == _script.Interrupted);
    }

    /// <value>Every number that training has changed, in the model and in the optimizer's state.</value>
    public byte[] Bits =>
        [.. ModelBits, .. BytesOf(_optimizer.Session.Parameters.SelectMany(plan => _optimizer.For(plan.Parameter).Tensors.Values))];

    public byte[] ModelBits => BytesOf(_model.state_dict().OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Value));

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

    private static byte[] BytesOf(IEnumerable<Tensor> tensors)
    {
        using var scope = NewDisposeScope();
        return [.. tensors.SelectMany(tensor => tensor.detach().contiguous().bytes.ToArray())];
    }

    private static nn.Module<Tensor, Tensor> Model(long seed, RandomScript script)
    {
        lock (Making)
        {
            manual_seed(seed);
            nn.Module<Tensor, Tensor> model = script.IsTyped ? new Typed() : new OptionTrial.Small();
            model.to(script.Dtype);
            return model;
        }
    }

    private (nn.Module<Tensor, Tensor> Model, LowRankOptimizer Optimizer) Start(long seed)
    {
        var model = Model(seed, _script);
        try
        {
            var session = _method.Attach(model, null, _script.Flow);
            return (model, _world is null ? session.CreateOptimizer(1e-2, _script.WeightDecay) : session.CreateOptimizer(1e-2, _world, _script.WeightDecay));
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
        var batches = _world is null ? step.MicroBatches : _world.Lanes / _world.Size;
        for (var batch = 0; batch < batches; batch++)
        {
            Backward(step, number, batch + (_world?.Rank ?? 0) * batches);
            if (step.Accumulates || _world is not null)
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
    private bool IsWithinWindow(RandomScript.Step step) => _world is null && _script.WithinWindow && step is { MicroBatches: > 1, Accumulates: true };

    /// <summary>Zeros are those of a whole step, NaN comes in one micro-batch.</summary>
    private void Backward(RandomScript.Step step, int number, int batch)
    {
        using var scope = NewDisposeScope();
        var output = _model.call(Tests.Draw.Normal([8, 24], (ulong)(100 * number + batch)).to(_script.Dtype));
        var loss = output.to(ScalarType.Float32).square().mean() * (double.IsNaN(step.Factor) && batch > 0 ? 1 : step.Factor);

        // The loss of a process is the mean over its own micro-batches.
        loss /= _world is null ? 1 : _world.Lanes / _world.Size;
        (_scaler?.scale(loss) ?? loss).backward();
    }

    private void Toggle(string? name)
    {
        foreach (var plan in _optimizer.Session.Parameters.Where(plan => plan.Name == name && plan.IsOfModel))
            plan.Parameter.requires_grad = !plan.Parameter.requires_grad;
    }

    private void Interrupt(int number)
    {
        TrainingCheckpoint.Save(_folder, _model, _optimizer);
        Dispose();

        // What WeLore does depends on the weights that it finds.
        (_model, _optimizer) = Start(seed: _method is WeLore ? 1 : 2);
        foreach (var step in _script.Steps.Take(number + 1))
            Toggle(step.Toggles);
        TrainingCheckpoint.Load(_folder, _model, _optimizer);
    }
}
