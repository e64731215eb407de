using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using LowRankTraining.Mixing;
using LowRankTraining.Schedules;
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
    private BoundSchedule? _schedule;
    private GradientAlignmentMixer? _mixer;
    private readonly HashSet<string> _toggled = [];
    private bool _isInterrupted;
    private ScalarType _dtype;

    /// <param name="method">What trains.</param>
    /// <param name="script">What happens. With several processes every step has a micro-batch for each lane.</param>
    /// <param name="folder">For the checkpoint.</param>
    /// <param name="world">The processes; null for one alone.</param>
    public RandomRun(ILowRankStrategy method, RandomScript script, string folder, ICollective? world = null)
    {
        (_method, _script, _folder, _world) = (method, script, folder, world);
        _dtype = script.Dtype;
        _scaler = script.ScalesLoss ? new(init_scale: 64, growth_interval: 2) : null;
        (_model, _optimizer) = Start(seed: 1, startsFactors: true);
        Bind();
    }

    /// <summary>The model that the first of so many processes has in the end, of a step of four micro-batches, or of one each where weights are updated in the
    /// backward pass; they compare their weights after each step.</summary>
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
        }, lanes: script.Flow == GradientFlow.Stepped ? count : 4);
        return bits;
    }

    public LowRankOptimizer Optimizer => _optimizer;

    public void Train(bool isInterrupted)
    {
        _isInterrupted = isInterrupted;
        for (var step = 0; step < _script.Steps.Count; step++)
            Take(step, isInterrupted && step == _script.Interrupted);
    }

    /// <value>Every number that training has changed, in the model and in the optimizer's state.</value>
    public byte[] Bits =>
        [.. ModelBits, .. BytesOf(_optimizer.Session.Parameters.SelectMany(plan => _optimizer.StateOf(plan.Parameter).Tensors.Values))];

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
        _mixer?.Dispose();
        _optimizer.Dispose();
        _model.Dispose();
    }

    /// <summary>Ends the training, and tells what the plain model has that it should not have, or null.</summary>
    /// <remarks>The layers of CoLA stay, and PRILoRA prunes its factors in the end.</remarks>
    public string? FaultOfFinish()
    {
        if (_method is CoLA or PriLoRA)
            return null;

        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var plain = Model(1, _script.Model, _dtype);
        _model.eval();
        var before = _model.call(Input(5)).to(ScalarType.Float64);
        _optimizer.Session.Finish();
        var error = Tests.Draw.Error(_model.call(Input(5)), before);
        var most = _dtype switch { ScalarType.Float64 => 1e-9, ScalarType.Float32 => 1e-3, _ => 0.1 };
        var names = _model.state_dict().Keys.Where(name => !name.StartsWith("grown.", StringComparison.Ordinal));
        return error > most ? $"the finished model computes something else: {error}"
            : names.SequenceEqual(plain.state_dict().Keys) ? null : $"the finished model has {string.Join(", ", names)}";
    }

    private static byte[] BytesOf(IEnumerable<Tensor> tensors)
    {
        using var scope = NewDisposeScope();
        return [.. tensors.SelectMany(tensor => tensor.detach().contiguous().bytes.ToArray())];
    }

    private static nn.Module<Tensor, Tensor> Model(long seed, RandomScript.Shape shape, ScalarType dtype)
    {
        lock (Making)
        {
            manual_seed(seed);
            nn.Module<Tensor, Tensor> model = shape switch
            {
                RandomScript.Shape.Typed => new Typed(),
                RandomScript.Shape.Small => new OptionTrial.Small(),
                _ => new NestedModel(shape == RandomScript.Shape.Checkpointed),
            };
            model.to(dtype);
            return model;
        }
    }

    private (nn.Module<Tensor, Tensor> Model, LowRankOptimizer Optimizer) Start(long seed, bool startsFactors)
    {
        var model = Model(seed, _script.Model, _dtype);
        try
        {
            var session = _method.Attach(model, null, _script.Flow);
            if (startsFactors && session is AdapterSession adapters && _method is LoRA { Init: FactorInit.LoRAGA })
                adapters.Initialize(() => model.call(Input(99)).square().mean().backward());
            var optimizer = _world is null ? session.CreateOptimizer(1e-2, _script.WeightDecay) : session.CreateOptimizer(1e-2, _world, _script.WeightDecay);
            if (_script.ClipByLastNorm is { } largest && optimizer.Entries.Any(entry => entry.Plan.StepsInBackward))
                optimizer.ClipByLastNorm = largest;
            return (model, optimizer);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private void Bind()
    {
        _schedule = _script.Schedule?.Bind(_optimizer);
        if (_script.Mixes && _world is null)
            _mixer = new GradientAlignmentMixer(["one", "other"], GradientView.For(_optimizer.Session), new() { Warmup = 1, UpdateEvery = 1 });
    }

    private void Grow(int number)
    {
        if (_script.Grown is { } growth && growth.At == number && _model is NestedModel nested)
            lock (Making)
                _optimizer.add_param_group(new LowRankOptimizer.ParamGroup(nested.Grow(), growth.Rate, growth.Decay, growth.Method));
    }

    private Tensor Input(int seed) => Tests.Draw.Normal([8, 24], (ulong)seed).to(_dtype);

    private void Interrupt(RandomScript.Step step)
    {
        if (_isInterrupted && _world is null)
            step.SideAction?.Do(_model, _optimizer, _dtype);
    }

    private void Take(int number, bool isInterrupted)
    {
        var step = _script.Steps[number];
        Grow(number);
        Toggle(step.Toggles);
        Set(step.Sets);
        _optimizer.zero_grad();
        var batches = _world is null ? step.MicroBatches : _world.Lanes / _world.Size;
        for (var batch = 0; batch < batches; batch++)
        {
            Backward(step, number, batch + (_world?.Rank ?? 0) * batches);
            using (NewDisposeScope())
                if (step.Accumulates || _world is { Lanes: var lanes, Size: var size } && lanes > size)
                    _optimizer.accumulate();
            if (batch == 0)
                Interrupt(step);
            if (isInterrupted && batch == 0 && IsWithinWindow(step))
                Interrupt(number);
        }

        Step(step);
        if (isInterrupted && !IsWithinWindow(step))
            Interrupt(number);
    }

    /// <summary>In a scope, as loops have one: nothing that is kept may go with it.</summary>
    private void Step(RandomScript.Step step)
    {
        using var scope = NewDisposeScope();
        _mixer?.Update();
        if (step.Clip is { } largest)
        {
            _scaler?.unscale_(_optimizer);
            _optimizer.clip_grad_norm_(largest);
        }

        if (_scaler is null)
            _optimizer.step();
        else
            _scaler.step(_optimizer);
        _schedule?.step();
    }

    /// <summary>Whether the interruption is between two micro-batches: the optimizer knows of those that it has been told of.</summary>
    private bool IsWithinWindow(RandomScript.Step step) =>
        _world is null && _mixer is null && _script.WithinWindow && step is { MicroBatches: > 1, Accumulates: true };

    /// <summary>Zeros are those of a whole step, NaN comes in one micro-batch.</summary>
    private void Backward(RandomScript.Step step, int number, int batch)
    {
        using var scope = NewDisposeScope();
        var draw = _mixer?.Next();
        var output = _model.call(Input(draw is { } drawn ? (drawn.Source == "one" ? 10_000 : 20_000) + (int)drawn.Index : 100 * number + batch));
        var loss = output.to(ScalarType.Float32).square().mean() * (double.IsNaN(step.Factor) && batch > 0 ? 1 : step.Factor);

        // The loss of a process is the mean over its own micro-batches.
        loss /= _world is null ? 1 : _world.Lanes / _world.Size;
        var scaled = _scaler?.scale(loss) ?? loss;
        if (draw is { } source)
            _mixer!.Observe(source.Source, () => scaled.backward());
        else
            scaled.backward();
    }

    private void Freeze(Dictionary<string, bool> flags)
    {
        foreach (var plan in _optimizer.Session.Parameters)
            if (flags.TryGetValue(plan.Name, out var isTrained))
                plan.Parameter.requires_grad = isTrained;
    }

    private void Toggle(string? name)
    {
        _toggled.Add(name ?? "");
        var isFactor = name?.EndsWith(".weight", StringComparison.Ordinal) == false;
        foreach (var plan in _optimizer.Session.Parameters.Where(plan => plan.Name == name && (plan.IsOfModel || isFactor)))
            plan.Parameter.requires_grad = !plan.Parameter.requires_grad;
    }

    private void Set(int? number)
    {
        var group = (LowRankOptimizer.ParamGroup)_optimizer.ParamGroups.First();
        if (number == 0 && _schedule is null)
            group.LearningRate = 5e-3;
        else if (number == 1)
            group.Options.weight_decay = 0.03;
        else if (number == 2 && _optimizer.Session.Parameters.Any(plan => plan.Rule.Betas is not null))
            group.Betas = (0.8, 0.95);
    }

    private void Interrupt(int number)
    {
        var mixer = Path.Combine(_folder, "mixer");
        TrainingCheckpoint.Save(_folder, _model, _optimizer, _schedule);
        _mixer?.Save(mixer);
        var saved = _model.state_dict().ToDictionary(pair => pair.Key, pair => pair.Value.detach().clone());
        var flags = _optimizer.Session.Parameters.Where(plan => _toggled.Contains(plan.Name))
            .ToDictionary(plan => plan.Name, plan => plan.Parameter.requires_grad);
        Dispose();
        _dtype = _script.ResumedAs ?? _dtype;

        // What WeLore does depends on the weights that it finds.
        (_model, _optimizer) = Start(seed: _method is WeLore ? 1 : 2, _script.StartsTwice);
        if (!_script.BindsLate)
            Bind();
        for (var step = 0; step <= number; step++)
            Grow(step);

        // What is frozen is no part of what is saved: the program says it, before or after; only after where the method freezes and thaws by itself.
        var isFrozenLate = _script.BindsLate || _method is ReLoRA { WarmStartSteps: > 0 };
        if (!isFrozenLate)
            Freeze(flags);
        using (NewDisposeScope())
            TrainingCheckpoint.Load(_folder, _model, _optimizer, _script.BindsLate ? null : _schedule);
        if (_script.BindsLate)
            Bind();
        if (isFrozenLate)
            Freeze(flags);
        _mixer?.Load(mixer);
        foreach (var (name, tensor) in _model.state_dict())
            if (!tensor.detach().equal(saved[name].to(tensor.dtype)).all().ToBoolean())
                throw new InvalidDataException($"'{name}' is not what was saved.");
    }
}
