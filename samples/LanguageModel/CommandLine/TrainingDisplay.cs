using LanguageModel.Training;
using Spectre.Console;

namespace LanguageModel.CommandLine;

/// <summary>Shows how a run gets on: a progress bar in a terminal, a line now and then elsewhere.</summary>
public abstract class TrainingDisplay
{
    /// <summary>Shows the run of <paramref name="train"/> on <paramref name="console"/>.</summary>
    /// <param name="console">Where to write.</param>
    /// <param name="title">What is running.</param>
    /// <param name="firstStep">Steps done before.</param>
    /// <param name="steps">Steps of the whole run.</param>
    /// <param name="train">The run; it tells the display what it has done.</param>
    public static T Show<T>(IAnsiConsole console, string title, long firstStep, long steps, Func<TrainingDisplay, T> train)
    {
        if (!console.Profile.Capabilities.Interactive || !console.Profile.Out.IsTerminal)
            return train(new PlainDisplay(console, title, steps));

        return console.Progress()
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 30 }, new PercentageColumn())
            .Start(progress => train(new BarDisplay(console, progress.AddTask(title, maxValue: steps), title, firstStep)));
    }

    /// <summary>Tells of a step.</summary>
    public abstract void Stepped(StepReport report);

    /// <summary>Tells of a validation.</summary>
    public abstract void Validated(LossPoint validation);

    /// <summary>Tells of the mixture at a validation.</summary>
    public abstract void Mixed(MixturePoint mixture);

    /// <summary>What a mixture is shown as.</summary>
    protected static string Line(string title, MixturePoint mixture) =>
        $"{title}: after step {mixture.Step} mixture " + string.Join(", ", mixture.Sources.Select(source =>
        $"{source.Source} {Describe.Fixed(source.Probability, 3)} ({(source.Reward is { } reward ? $"reward {Describe.Fixed(reward, 3)}, " : "")}"
            + $"{source.Batches} batches, validation loss {Describe.Fixed(source.ValidationLoss, 4)})"));

    /// <summary>What a validation is shown as.</summary>
    protected static string Line(string title, LossPoint validation) =>
        $"{title}: after step {validation.Step} validation loss {Describe.Fixed(validation.Loss, 4)}, "
        + $"perplexity {Describe.Fixed(Math.Exp(validation.Loss), 3)}";

    /// <summary>What a step is shown as.</summary>
    protected static string Detail(StepReport report) =>
        $"loss {Describe.Fixed(report.Loss, 3)} · {Describe.Count(report.TokensPerSecond)} tokens/s · {Describe.Duration(report.Remaining)} left"
        + (report.RemainingInAll is { } all ? $", {Describe.Duration(all)} in all" : "");

    private sealed class BarDisplay : TrainingDisplay
    {
        private readonly IAnsiConsole console;
        private readonly ProgressTask task;
        private readonly string title;

        public BarDisplay(IAnsiConsole console, ProgressTask task, string title, long firstStep)
        {
            (this.console, this.task, this.title) = (console, task, title);
            task.Value = firstStep;
        }

        public override void Stepped(StepReport report)
        {
            task.Value = report.Step;
            task.Description = $"[bold]{title.EscapeMarkup()}[/] {report.Step}/{task.MaxValue:F0} · {Detail(report).EscapeMarkup()}";
        }

        public override void Validated(LossPoint validation) => console.WriteLine(Line(title, validation));

        public override void Mixed(MixturePoint mixture) => console.WriteLine(Line(title, mixture));
    }

    private sealed class PlainDisplay(IAnsiConsole console, string title, long steps) : TrainingDisplay
    {
        private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

        private DateTime last = DateTime.MinValue;

        public override void Stepped(StepReport report)
        {
            if (DateTime.UtcNow - last < Pause && report.Step < steps)
                return;

            last = DateTime.UtcNow;
            console.Profile.Out.Writer.WriteLine($"{title}: step {report.Step}/{steps} · {Detail(report)}");
        }

        public override void Validated(LossPoint validation) => console.Profile.Out.Writer.WriteLine(Line(title, validation));

        public override void Mixed(MixturePoint mixture) => console.Profile.Out.Writer.WriteLine(Line(title, mixture));
    }
}
