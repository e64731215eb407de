using System.Text.Json.Serialization;
using LanguageModel;

namespace FineTune.Training;

/// <summary>Everything that a run depends on; kept beside its checkpoints, so that a resumed run goes on as it began.</summary>
internal sealed record FineTuneSettings
{
    /// <value>Folder of the model to start from.</value>
    public required string Model { get; init; }

    /// <value>Name of the method, <c>adamw</c> for none; or the method with all of its options, as JSON: then rank and α are those in it.</value>
    public required string Method { get; init; }

    /// <value>Whether <see cref="Method"/> says all of the method.</value>
    [JsonIgnore]
    public bool HasMethodInFull => Method.StartsWith('{');

    /// <value>What trains, for people to read.</value>
    [JsonIgnore]
    public string MethodAndRank => HasMethodInFull || Method == FineTuneMethod.Plain ? Method : $"{Method}, rank {Rank}";

    /// <value>Files and folders to train on.</value>
    public required IReadOnlyList<string> Data { get; init; }

    /// <value>Files and folders to evaluate on; empty to hold some of the data back.</value>
    public required IReadOnlyList<string> Eval { get; init; }

    /// <value>How conversations are written; null for what the tokenizer's special tokens say.</value>
    public string? Chat { get; init; }

    /// <value>Rank of the low-rank parts.</value>
    public required int Rank { get; init; }

    /// <value>α: factor on what LoRA and its kin add, divided by the rank, or on the step of methods that project; null for the method's own.</value>
    public double? Alpha { get; init; }

    /// <value>Largest learning rate; null for what is usual for the kind of method.</value>
    public double? Lr { get; init; }

    /// <value>Passes over the data.</value>
    public required double Epochs { get; init; }

    /// <value>Optimizer steps, in place of <see cref="Epochs"/>; null for those that they come to.</value>
    public long? Steps { get; init; }

    /// <value>Examples per step.</value>
    public required int Batch { get; init; }

    /// <value>Tokens per example, at most; null for what suits the model.</value>
    public int? Seq { get; init; }

    /// <value>Share of the steps in which the learning rate rises from 0.</value>
    public required double Warmup { get; init; }

    /// <value>Decoupled weight decay.</value>
    public required double WeightDecay { get; init; }

    /// <value>Largest norm of all gradients together; null for no limit.</value>
    public double? Clip { get; init; }

    /// <value>Whether decoder layers are run once more in the backward pass.</value>
    public bool CheckpointActivations { get; init; }

    /// <value>float32 or bfloat16: what is trained in, whatever the files have.</value>
    public required string Dtype { get; init; }

    /// <value>Seed of the order of examples and of the method.</value>
    public required long Seed { get; init; }

    /// <summary>Throws one error that names every value out of range.</summary>
    public void Require() => UserException.ThrowIfAny(
        Data.Count > 0 ? null : "--data is missing: give a .jsonl file, or text files",
        Rank >= 1 ? null : $"--rank must be at least 1 (is {Rank})",
        Alpha is null or > 0 ? null : $"--alpha must be above 0 (is {Alpha})",
        Lr is null || (Lr > 0 && double.IsFinite(Lr.Value)) ? null : $"--lr must be above 0 (is {Lr})",
        Epochs > 0 && Epochs <= 10_000 ? null : $"--epochs must be above 0, and at most 10000 (is {Epochs})",
        Steps is null or >= 1 ? null : $"--steps must be at least 1 (is {Steps})",
        Batch >= 1 ? null : $"--batch must be at least 1 (is {Batch})",
        Seq is null or >= 2 ? null : $"--seq must be at least 2 (is {Seq})",
        Warmup is >= 0 and < 1 ? null : $"--warmup is a share of the steps, at least 0 and below 1 (is {Warmup})",
        WeightDecay >= 0 ? null : $"--weight-decay must be at least 0 (is {WeightDecay})",
        Clip is null or > 0 ? null : $"--clip must be above 0 (is {Clip})");
}
