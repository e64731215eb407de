using LowRankTraining.Checkpoints;
using LowRankTraining.Extensions.Hosting;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using TorchSharp;
using static TorchSharp.torch;

namespace Hosting;

/// <summary>Trains a small network by the configured method until it is done or the host stops.</summary>
internal sealed partial class TrainingWorker(
    LowRankTrainingOptions training, IOptions<WorkerOptions> options, IHostApplicationLifetime lifetime, ILogger<TrainingWorker> logger) : BackgroundService
{
    // A step of training waits for nothing, so that the loop has a thread of its own.
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            await Task.Factory.StartNew(() => Train(stoppingToken), stoppingToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }
        catch
        {
            Environment.ExitCode = 1;                                           // the host logs what it was, and stops as after a success
            throw;
        }
    }

    private void Train(CancellationToken stop)
    {
        var (steps, folder) = (options.Value.Steps, options.Value.Checkpoint);
        manual_seed(1);
        using var truth = randn(64, 64) / 8;
        using var model = nn.Sequential(("first", nn.Linear(64, 512)), ("active", nn.ReLU()), ("second", nn.Linear(512, 64)));
        using var optimizer = training.CreateOptimizer(model);
        var schedule = training.BindSchedule(optimizer);
        if (TrainingCheckpoint.Exists(folder))
            TrainingCheckpoint.Load(folder, model, optimizer, schedule);
        Started(training.Method!.ToString()!, optimizer.CompletedSteps, steps);

        while (optimizer.CompletedSteps < steps && !stop.IsCancellationRequested)
        {
            using var scope = NewDisposeScope();
            manual_seed(optimizer.CompletedSteps);                              // the data of a step are the same after a resume
            var input = randn(128, 64);

            optimizer.zero_grad();
            var loss = nn.functional.mse_loss(model.call(input), input.mm(truth).sin());
            loss.backward();
            optimizer.step();
            schedule?.step();

            if (optimizer.CompletedSteps % 200 == 0)
                Progress(optimizer.CompletedSteps, loss.ToSingle());
        }

        TrainingCheckpoint.Save(folder, model, optimizer, schedule);
        Stopped(optimizer.CompletedSteps, folder, optimizer.StateBytes);
        lifetime.StopApplication();
    }

    [LoggerMessage(1, LogLevel.Information, "Training by {Method} from step {Step} to {Steps}")]
    private partial void Started(string method, long step, int steps);

    [LoggerMessage(2, LogLevel.Information, "Step {Step}: loss {Loss:f4}")]
    private partial void Progress(long step, float loss);

    [LoggerMessage(3, LogLevel.Information, "Stopped after step {Step}; checkpoint in '{Folder}'; {Bytes} bytes of optimizer state")]
    private partial void Stopped(long step, string folder, long bytes);
}
