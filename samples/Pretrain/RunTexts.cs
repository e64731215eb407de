using System.Security.Cryptography;
using System.Text;
using LanguageModel.CommandLine;
using LanguageModel.Data;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Tokens;
using LanguageModel.Training;
using LowRankTraining;
using LowRankTraining.Mixing;

namespace Pretrain;

/// <summary>The text of a run, or its several texts by name.</summary>
internal sealed class RunTexts
{
    private readonly IReadOnlyList<(string Name, TextCorpus Text)> sources;
    private readonly bool isMixed;
    private CorpusTokenizer? tokenizer;

    private RunTexts(IReadOnlyList<(string Name, TextCorpus Text)> sources, bool isMixed) => (this.sources, this.isMixed) = (sources, isMixed);

    /// <value>Where it comes from, in words.</value>
    public string Source => string.Join(", ", sources.Select(source => source.Text.Source));

    /// <value>Changes with any byte of any text.</value>
    public string Hash => isMixed
        ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', sources.Select(source => $"{source.Name} {source.Text.Hash}")))))
        : sources[0].Text.Hash;

    /// <summary>Reads what the settings name.</summary>
    /// <exception cref="LanguageModel.UserException">Something cannot be read.</exception>
    public static RunTexts Load(PretrainSettings settings) => NamedData.Parse(settings.Data) is { } named
        ? new([.. named.Select(source => (source.Name, TextCorpus.Load([source.Path])))],
        isMixed: true) { tokenizer = CorpusTokenizer.Find(settings.Tokenizer) }
        : new([("", TextCorpus.Load(settings.Data))], isMixed: false) { tokenizer = CorpusTokenizer.Find(settings.Tokenizer) };

    /// <summary>The mixer of several texts; null for one.</summary>
    public DataMixer? Mixer(PretrainSettings settings, Llama model, AttachedMethod method, ICollective world) => !isMixed ? null
        : Mixers.Create(settings.Mix ?? Mixers.Alignment, [.. sources.Select(source => source.Name)], settings.Target, model, method, settings.Seed, world);

    /// <summary>What the trainer is to have.</summary>
    public TrainingData Data(DataMixer? mixer, TrainingOptions options) =>
        mixer is null ? new SingleText(sources[0].Text, options, tokenizer) : new MixedText(sources, mixer, options, tokenizer);

    /// <summary>A line for each text.</summary>
    public IEnumerable<string> Lines() => sources.Select(source =>
        $"{(isMixed ? $"{source.Name}, " : "")}{source.Text.Source}: {Describe.Bytes(source.Text.Training.Length)} to train on, "
        + $"{Describe.Bytes(source.Text.Validation.Length)} to validate on");
}
