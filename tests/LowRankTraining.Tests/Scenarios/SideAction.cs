using FluentAssertions;
using LowRankTraining.Checkpoints;
using LowRankTraining.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Scenarios;

/// <summary>What a program may do in the middle of a run, of which the run knows nothing afterwards.</summary>
internal enum SideAction
{
    /// <summary>Factors are put into their weights and taken out again; while they are there, nothing can be saved and no step taken.</summary>
    Merges,

    /// <summary>The plain model, and the adapter, are saved.</summary>
    Exports,

    /// <summary>The optimizer's state is saved, shown, and taken over from itself.</summary>
    ShowsState,

    /// <summary>A checkpoint is damaged, and refused.</summary>
    LoadsDamage,

    /// <summary>The model is tried on other data.</summary>
    Evaluates,

    /// <summary>All that is known is asked for.</summary>
    Asks,

    /// <summary>A rate is not a number, and the step is refused.</summary>
    HasBadRate,
}

internal static class SideActions
{
    public static void Do(this SideAction action, nn.Module<Tensor, Tensor> model, LowRankOptimizer optimizer, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryDirectory();
        switch (action)
        {
            case SideAction.Merges when optimizer.Session is AdapterSession { IsMerged: false } session && Can(() => session.Merge()):
                optimizer.Invoking(one => one.step()).Should().Throw<InvalidOperationException>().WithMessage("*merged*");
                ((Action)(() => TrainingCheckpoint.Save(folder.Path, model, optimizer))).Should().Throw<InvalidOperationException>();
                Evaluate(model, dtype);
                session.Unmerge();
                break;
            case SideAction.Exports when optimizer.Session is AdapterSession session:
                Can(() => session.SavePlain(Path.Combine(folder.Path, "plain")));
                Can(() => PeftAdapter.Save(folder.Path, session));
                break;
            case SideAction.ShowsState:
                optimizer.load_state_dict(optimizer.state_dict());
                Can(() => optimizer.save_state_dict(Path.Combine(folder.Path, "state")));
                break;
            case SideAction.LoadsDamage when Can(() => TrainingCheckpoint.Save(folder.Path, model, optimizer)):
                var file = Path.Combine(folder.Path, "training.safetensors");
                var bytes = File.ReadAllBytes(file);
                bytes[bytes.Length / 2] ^= 1;
                File.WriteAllBytes(file, bytes);
                ((Action)(() => TrainingCheckpoint.Load(folder.Path, model, optimizer))).Should().Throw<InvalidDataException>();
                break;
            case SideAction.Evaluates:
                Evaluate(model, dtype);
                break;
            case SideAction.Asks:
                _ = (optimizer.Describe(), optimizer.StateBytes, optimizer.SkippedUpdates, optimizer.Session.Describe(), MemoryPlan.For(optimizer.Session));
                (optimizer.Session as AdapterSession)?.Verify(() => Evaluate(model, dtype));
                break;
            case SideAction.HasBadRate:
                var groups = optimizer.ParamGroups.ToArray();
                var rate = groups[^1].LearningRate;
                groups[^1].LearningRate = double.NaN;
                optimizer.Invoking(one => one.step()).Should().Throw<InvalidOperationException>();
                groups[^1].LearningRate = rate;
                break;
        }
    }

    /// <summary>Whether it is possible here: methods that cannot say so, and so does what is wrong with the weights.</summary>
    private static bool Can(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception refusal) when (refusal is NotSupportedException or InvalidOperationException)
        {
            return false;
        }
    }

    private static void Evaluate(nn.Module<Tensor, Tensor> model, ScalarType dtype)
    {
        using var guard = no_grad();
        model.eval();
        model.call(Tests.Draw.Normal([8, 24], 12345).to(dtype));
        model.train();
    }
}
