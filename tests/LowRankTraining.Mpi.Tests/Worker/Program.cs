using System.Globalization;

namespace LowRankTraining.Mpi.Tests.Worker;

/// <summary>What the processes of a test do: <c>SCENARIO ARGUMENTS</c>.</summary>
internal static class Program
{
    private static int Main(string[] args)
    {
        TorchSharp.torch.set_num_threads(1);
        switch (args[0])
        {
            case "exchange": Scenarios.Exchange(args); break;
            case "train": Scenarios.Train(args, method: args[1], lanes: Number(args[2])); break;
            case "train-stepped": Scenarios.Train(args, method: args[1], lanes: Number(args[2]), GradientFlow.Stepped); break;
            case "send-early": Scenarios.SendEarly(args, sendsInBackward: bool.Parse(args[1])); break;
            case "save": Scenarios.Save(args, folder: args[1], lanes: Number(args[2])); break;
            case "resume": Scenarios.Resume(args, folder: args[1], lanes: Number(args[2])); break;
            case "fail-to-save": Scenarios.FailToSave(args, folder: args[1], catches: args[2] == "catch"); break;
            case "throw": Scenarios.Throw(args); break;
            case "catch": return Scenarios.Catch(args);
            case "exit": Scenarios.Exit(args); break;
            case "kill": Scenarios.Kill(args); break;
            case "options": Scenarios.DifferentOptions(args); break;
            case "weights": Scenarios.DifferentWeights(args); break;
            default: throw new ArgumentException($"There is no scenario '{args[0]}'.");
        }

        return 0;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);
}
