using LanguageModel;
using LanguageModel.CommandLine;
using LanguageModel.Methods;
using LanguageModel.Model;
using LanguageModel.Tokens;
using LanguageModel.Training;
using LowRankTraining.Mpi;

namespace Pretrain;

/// <summary>What a run has come to: its loss on the text held back, or what it writes.</summary>
internal sealed class SavedRun(PretrainRequest request, MpiWorld world)
{
    private const int TokensWritten = 200;

    /// <summary>Reads the run and shows it; returns the exit code.</summary>
    public int Execute()
    {
        UserException.ThrowIfAny(request.Generate is "" ? "--generate is empty: give a text to go on from" : null);
        var folder = RunFolder.Existing(request.Out, "train one first, without --eval-only and --generate");
        var settings = folder.ReadSettings();
        SettingsCheck.SameRun(settings, request);
        var (device, tokenizer) = (Devices.Find(request.Device), CorpusTokenizer.Find(settings.Tokenizer));
        using var model = Llama.Create(
            LlamaConfigs.Find(settings.Model) with { Vocabulary = tokenizer.Vocabulary }, settings.Seed, device, Dtypes.Find(settings.Dtype));
        using var method = AllMethods.Find(settings.Strategy).AttachTo(model, PretrainRun.MethodSettings(settings, world));
        var step = method.Load(folder.Path);

        if (request.Generate is { } text)
        {
            var tokens = new Generation(model, device).Continue(tokenizer.Encode(text), TokensWritten, ends: [tokenizer.End]);
            Write(text + tokenizer.Decode(tokens));
            return 0;
        }

        var texts = RunTexts.Load(settings);
        SettingsCheck.SameData(settings, texts.Hash, texts.Source);
        var options =
            new TrainingOptions { Steps = settings.Steps, Batch = settings.Batch, Sequence = settings.Seq, Device = device, Seed = settings.Seed,
                World = world };
        using var mixer = texts.Mixer(settings, model, method, world);
        using var interruption = new Interruption();
        foreach (var (source, batches) in texts.Data(mixer, options).Validation)
        {
            var loss = Evaluation.Loss(model, batches, device, world, interruption.Token);
            Write($"{(source is null ? "" : $"{source}: ")}validation loss {Describe.Fixed(loss, 4)}, "
                + $"perplexity {Describe.Fixed(Math.Exp(loss), 3)} after step {step}");
        }

        return 0;
    }

    private void Write(string line)
    {
        if (world.IsFirst)
            Console.WriteLine(line);
    }
}
