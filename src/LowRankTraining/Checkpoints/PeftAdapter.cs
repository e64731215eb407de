using LowRankTraining.Strategies;

namespace LowRankTraining.Checkpoints;

/// <summary>Saves and loads trained factors by themselves, as Hugging Face's PEFT does: <c>adapter_model.safetensors</c> and <c>adapter_config.json</c> in
/// one folder.</summary>
/// <remarks>
/// <para>The tensors' file holds the checksums and the manifest of every file of this library beside them, which PEFT passes over.</para>
/// <para>Tensors: <c>base_model.model.&lt;module&gt;.lora_A.weight</c> (r × n), <c>….lora_B.weight</c> (m × r), with DoRA <c>….lora_magnitude_vector</c> (m),
/// in the dtype that they have in the model. Beside convolutions they are r × in × window and m × r × 1.</para>
/// <para>To go on with an adapter, or to use one:</para>
/// <code>
/// var session = PeftAdapter.MethodOf(folder).Attach(model, PeftAdapter.TargetsOf(folder));
/// PeftAdapter.Load(folder, session);
/// </code>
/// <para>Optimizer state is not part of it; for that see <see cref="TrainingCheckpoint"/>.</para>
/// </remarks>
public static class PeftAdapter
{
    internal const string Root = "base_model.model.", Magnitude = "lora_magnitude_vector";

    private const string FileName = "adapter_model.safetensors", A = "lora_A.weight", B = "lora_B.weight";

    /// <summary>How many a message names.</summary>
    private const int Problems = 6;

    /// <summary>Saves the factors of a session.</summary>
    /// <param name="folder">Made when it does not exist. An adapter in it is replaced.</param>
    /// <param name="session">A session of LoRA or DoRA, merged temporarily or not.</param>
    /// <param name="baseModel">What the adapter belongs to, for PEFT's loaders: a folder, or a name on Hugging Face's hub
    /// (<c>base_model_name_or_path</c>). Default: nothing is said.</param>
    /// <param name="taskType">What it is for, in PEFT's words: CAUSAL_LM, SEQ_CLS, SEQ_2_SEQ_LM, TOKEN_CLS, QUESTION_ANS, FEATURE_EXTRACTION. It decides which
    /// class PEFT puts around the model. Default: nothing is said.</param>
    /// <param name="fanInFanOut">Whether the base model keeps its weights as in × out in Python, as GPT-2 does. The factors are the same either way.</param>
    /// <remarks>
    /// <para>Factors that started from a part of the weight (PiSSA, OLoRA, LoRA-GA) are saved as the change of the original weight that they are: s (B A − B₀
    /// A₀), of rank 2 r, or the short side's where that is less.</para>
    /// <para>What is trained beside the factors is saved with them: whole modules with their buffers (PEFT's <c>modules_to_save</c>), and single parameters
    /// where something else in their module is adapted, such as the bias of an adapted layer; these PEFT loads into the model itself.</para>
    /// <para>Where PRILoRA prunes A at the end, what is saved is pruned already, and the session trains on with what it has.</para>
    /// </remarks>
    /// <exception cref="NotSupportedException">The method changes the weights themselves; or factors started from a part of a weight that is shadowed or
    /// quantized; or PEFT has no adapter for what is adapted: it has them for linear layers and for convolutions of one group. Nothing was
    /// written.</exception>
    /// <exception cref="InvalidOperationException">The session is finished; or factors hold NaN or infinity; or they started from another weight than the
    /// model has now, or from one that is not known any more since a checkpoint was loaded. Nothing was written.</exception>
    /// <exception cref="ArgumentException"><paramref name="taskType"/> is none of PEFT's. Nothing was written.</exception>
    public static void Save(string folder, ILowRankSession session, string? baseModel = null, string? taskType = null, bool fanInFanOut = false)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        PeftConfig.RequireTask(taskType);
        var adapters = AdaptersOf(session);
        using var scope = NewDisposeScope();
        var factors = adapters.PlainFactors();
        var layers = factors.Select(set => PeftLayer.Of(set).For(adapters.ModuleOf(set))).ToArray();
        var beside = PeftSavedModules.Of(adapters);
        var tensors = layers.SelectMany(Tensors).Concat(beside.Tensors).Select(pair => TensorSource.Of(pair.Name, pair.Tensor)).ToArray();
        var config = PeftLayer.ConfigOf(layers, adapters) with
        {
            BaseModel = baseModel,
            TaskType = taskType,
            FanInFanOut = fanInFanOut,
            ModulesToSave = beside.Modules,
        };
        var manifest = new CheckpointManifest
        {
            Kind = CheckpointManifest.Adapter,
            Method = adapters.Strategy,
            Options = MethodDescription.Of(adapters.Method),
            Seed = adapters.Seed,
            Step = adapters.CompletedSteps,
            Parameters = [.. layers.Select(layer => layer.Manifest([.. Tensors(layer).Select(pair => pair.Name)]))],
            Configuration = config.Checksum,
        };
        SavedFile.MakeFolder(folder);
        AtomicFile.Write(
            (Path.Combine(folder, FileName), stream => SafeTensorsFile.Write(stream, tensors, manifest)),
            (Path.Combine(folder, PeftConfig.FileName), config.Write));
    }

    /// <summary>Loads factors into a session, in the dtype that they have there.</summary>
    /// <remarks>A rank above the short side of a weight is reduced to it: the product stays, up to rounding. What the adapter brings besides factors (PEFT's
    /// <c>modules_to_save</c>, biases) is copied into the model; it is trained on where the method trains what is not adapted.</remarks>
    /// <param name="folder">Where <see cref="Save"/> or PEFT has put them.</param>
    /// <param name="session">Attached with options and targets of the same adapter, before it is trained.</param>
    /// <exception cref="FileNotFoundException">There is no adapter in the folder.</exception>
    /// <exception cref="InvalidDataException">The files are damaged, or the adapter is for other layers, shapes or scales. Nothing was changed.</exception>
    /// <exception cref="NotSupportedException">A session whose factors cannot be set, as in <see cref="Save"/>.</exception>
    /// <exception cref="InvalidOperationException">The session is finished or merged, or its factors have started from the weights. Nothing was
    /// changed.</exception>
    public static void Load(string folder, ILowRankSession session)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var adapters = AdaptersOf(session);
        var factors = adapters.SettableFactors();
        var config = PeftConfig.Read(folder);

        using var lasting = LastingTensors.Begin();
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        using var file = OpenIn(folder);
        RequireSaved(config, file, folder);
        var modules = new PeftSavedModules(file, adapters);
        string[] problems = [.. PeftLayer.ProblemsOf(file, config, adapters, factors, modules.ProblemWith).Take(Problems + 1)];
        if (problems.Length > 0)
            throw new InvalidDataException($"The adapter in '{folder}' does not fit the session: "
                + $"{string.Join("; ", problems.Take(Problems))}{(problems.Length > Problems ? "; and more" : "")}. "
                + "Attach the method of PeftAdapter.MethodOf to the targets of PeftAdapter.TargetsOf. Nothing was changed.");

        var read = file.Names.ToDictionary(name => name, file.Read);
        if (read.FirstOrDefault(pair => !pair.Value.isfinite().all().ToBoolean()) is { Key: { } broken })
            throw new InvalidDataException($"The adapter in '{folder}' holds NaN or infinity in '{broken}'. Nothing was changed.");
        var puttings = factors.Select(set => PeftLayer.Putting(set, read)).ToArray();
        foreach (var put in puttings)
            put();
        foreach (var (name, parameter) in modules.Found)
            parameter.copy_(read[name]);
    }

    /// <summary>The method that an adapter is of, LoRA or DoRA, with its options. Everything else stays frozen, as in PEFT.</summary>
    /// <param name="folder">Where <c>adapter_config.json</c> is.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    /// <exception cref="InvalidDataException">It is damaged, of another kind of adapter, or asks for what this library does not do.</exception>
    public static LoRAMethod MethodOf(string folder)
    {
        var config = ConfigOf(folder);
        return config.UsesDoRA ? Told(new DoRA(), config) : Told(new LoRA(), config);
    }

    /// <summary>The options of a LoRA adapter, to be changed where more is wanted: <c>PeftAdapter.LoRAOf(folder) with { Base = BaseFormat.NF4 }</c>.</summary>
    /// <inheritdoc cref="MethodOf" path="/param|/exception"/>
    public static LoRA LoRAOf(string folder) => Told(new LoRA(), ConfigOf(folder, usesDoRA: false));

    /// <summary>The options of a DoRA adapter.</summary>
    /// <inheritdoc cref="MethodOf" path="/param|/exception"/>
    public static DoRA DoRAOf(string folder) => Told(new DoRA(), ConfigOf(folder, usesDoRA: true));

    /// <summary>The layers that an adapter is for.</summary>
    /// <param name="folder">Where it is.</param>
    /// <exception cref="FileNotFoundException">There is no adapter in the folder.</exception>
    /// <exception cref="InvalidDataException">Its tensors are damaged.</exception>
    public static Targets TargetsOf(string folder)
    {
        using var file = OpenIn(folder);
        var weights = WeightsIn(file);
        return Targets.Exactly($"the layers of the adapter in '{folder}': {weights.Order(StringComparer.Ordinal).Few(4)}", weights);
    }

    /// <exception cref="NotSupportedException">Its method trains no factors beside weights.</exception>
    private static AdapterSession AdaptersOf(ILowRankSession session)
    {
        ArgumentNullException.ThrowIfNull(session);
        return session as AdapterSession ?? throw new NotSupportedException($"'{session.Strategy}' trains the weights themselves, so there are no factors to "
            + "save or to load: save the model. Nothing was changed.");
    }

    internal static string NameOf(string module, string tensor) => Root + ParameterPlace.Join(module, tensor);

    /// <summary>A, B and, where there are any, the magnitudes, in this order.</summary>
    internal static IEnumerable<(string Name, Tensor Parameter)> Parameters(FactorSet set) =>
        Named(set.Module, set.A, set.B, set.Extra.Select(part => (part.Name, (Tensor)part.Parameter)));

    private static TMethod Told<TMethod>(TMethod method, PeftConfig config) where TMethod : LoRAMethod => method with
    {
        Rank = config.Rank,
        Alpha = config.Alpha,
        RankPattern = config.RankPattern,
        AlphaPattern = config.AlphaPattern,
        RankStabilized = config.RankStabilized,
        Dropout = config.Dropout,
        TrainOthers = false,
    };

    /// <summary>The configuration, with the patterns that are for layers of the adapter: PEFT passes over others, which the methods refuse.</summary>
    private static PeftConfig ConfigOf(string folder, bool? usesDoRA = null)
    {
        var config = PeftConfig.Read(folder);
        if (config.UsesDoRA != (usesDoRA ?? config.UsesDoRA))
            throw new InvalidDataException($"The adapter in '{folder}' is "
                + $"{(config.UsesDoRA ? "a DoRA one: use PeftAdapter.DoRAOf or MethodOf" : "a plain LoRA one: use PeftAdapter.LoRAOf or MethodOf")}.");
        if (!File.Exists(Path.Combine(folder, FileName)))
            return config;

        using var file = OpenIn(folder);
        RequireSaved(config, file, folder);
        if (config is { RankPattern: null, AlphaPattern: null })
            return config;
        var weights = WeightsIn(file);
        return config with { RankPattern = Used(config.RankPattern, weights), AlphaPattern = Used(config.AlphaPattern, weights) };
    }

    /// <exception cref="InvalidDataException">The tensors were saved with another configuration.</exception>
    private static void RequireSaved(PeftConfig config, SafeTensorsFile file, string folder)
    {
        if (file.Manifest?.Configuration is { } saved && !saved.Is(config.Checksum))
            throw new InvalidDataException($"The {PeftConfig.FileName} in '{folder}' is not the one that {FileName} was saved with: ranks, scales or what else "
                + "decides what the adapter computes are others. Take both files from one place, or save the adapter again.");
    }

    private static Dictionary<string, TValue>? Used<TValue>(IReadOnlyDictionary<string, TValue>? patterns, HashSet<string> weights) =>
        patterns?.Where(pattern => weights.Any(weight => PeftLayer.Matches(pattern.Key, weight))).ToDictionary() is { Count: > 0 } used ? used : null;

    private static HashSet<string> WeightsIn(SafeTensorsFile file) =>
        file.Names.Where(name => name.EndsWith(A, StringComparison.Ordinal) && name.StartsWith(Root, StringComparison.Ordinal))
            .Select(name => $"{name[Root.Length..^A.Length]}weight").ToHashSet(StringComparer.Ordinal);

    private static IEnumerable<(string Name, Tensor Tensor)> Tensors(PeftLayer layer) => Named(layer.Module, layer.A, layer.B, layer.Extra);

    private static IEnumerable<(string Name, Tensor Tensor)> Named(string module, Tensor a, Tensor b, IEnumerable<(string Name, Tensor Tensor)> extra)
    {
        yield return (NameOf(module, A), a);
        yield return (NameOf(module, B), b);
        foreach (var (name, part) in extra)
            yield return (NameOf(module, name), part);
    }

    private static SafeTensorsFile OpenIn(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) ? SafeTensorsFile.Open(path)
            : throw new FileNotFoundException($"There is no adapter in '{folder}' ({FileName} is missing). "
                + "An older adapter_model.bin has to be converted in PEFT first.", path);
    }
}
