using Hosting;
using LowRankTraining;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OpenTelemetry.Metrics;

// Training as a service: everything about the method stands in appsettings.json (or on the command line: --Training:Method galore --Training:Rank 8),
// is checked before the host starts, and Ctrl-C ends with a checkpoint that the next start resumes.
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory });

builder.Services.AddLowRankTraining(builder.Configuration.GetSection("Training"));
builder.Services.AddOptions<WorkerOptions>()
    .Bind(builder.Configuration.GetSection("Worker"), binder => binder.ErrorOnUnknownConfiguration = true)
    .Validate(worker => worker.Steps >= 1, "Worker:Steps must be at least 1.").ValidateOnStart();
builder.Services.AddHostedService<TrainingWorker>();

builder.Services.AddOptions<MetricsOptions>()
    .Bind(builder.Configuration.GetSection("Metrics"), binder => binder.ErrorOnUnknownConfiguration = true)
    .Validate(metrics => metrics.ExportEverySeconds is >= 1 and <= 86_400, "Metrics:ExportEverySeconds must be from 1 to 86400.").ValidateOnStart();
builder.Services.AddOpenTelemetry().WithMetrics(metrics => metrics.AddMeter(LowRankOptimizer.MeterName).AddConsoleExporter());
builder.Services.AddOptions<MetricReaderOptions>().Configure<IOptions<MetricsOptions>>((reader, metrics) =>
    reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = 1000 * metrics.Value.ExportEverySeconds);

using var host = builder.Build();
try
{
    await host.RunAsync();
}
catch (Exception wrong) when (wrong is OptionsValidationException or InvalidOperationException)
{
    Environment.ExitCode = 1;                                                   // the host has logged what is wrong in the configuration
}
