using LowRankTraining;
using LowRankTraining.Extensions.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Low-rank training from configuration.</summary>
public static class LowRankTrainingServiceCollectionExtensions
{
    /// <summary>Adds the method that a section of configuration describes, as <see cref="ILowRankStrategy"/>, and all that the section says as
    /// <see cref="LowRankTrainingOptions"/>.</summary>
    /// <remarks>The section is read when it is first asked for, and by a host before it starts: an unknown name or word, or an option out of range, ends the
    /// start with an <see cref="OptionsValidationException"/> that lists all of them, each with its path and the nearest names.
    /// Later changes of the configuration change nothing. The method reports to the program's loggers, category "LowRankTraining".</remarks>
    /// <param name="services">The program's services.</param>
    /// <param name="section">Such as <c>configuration.GetSection("Training")</c>, with <c>{ "Method": "fira", "Rank": 128, "States": "8bit" }</c>.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddLowRankTraining(this IServiceCollection services, IConfiguration section)
    {
        AddOptions(services, Options.Options.DefaultName, section);
        return services
            .AddSingleton(provider => provider.GetRequiredService<IOptions<LowRankTrainingOptions>>().Value)
            .AddSingleton(provider => provider.GetRequiredService<LowRankTrainingOptions>().Method!);
    }

    /// <summary>Adds one of several methods, as keyed services: <c>[FromKeyedServices("pretrain")] ILowRankStrategy method</c>. The options are also
    /// <c>IOptionsMonitor&lt;LowRankTrainingOptions&gt;.Get("pretrain")</c>.</summary>
    /// <param name="services">The program's services.</param>
    /// <param name="name">The key, and the name of the options.</param>
    /// <param name="section">A section of configuration, as in <see cref="AddLowRankTraining(IServiceCollection, IConfiguration)"/>.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddLowRankTraining(this IServiceCollection services, string name, IConfiguration section)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        AddOptions(services, name, section);
        return services
            .AddKeyedSingleton(name, (provider, _) => provider.GetRequiredService<IOptionsMonitor<LowRankTrainingOptions>>().Get(name))
            .AddKeyedSingleton(name, (provider, _) => provider.GetRequiredKeyedService<LowRankTrainingOptions>(name).Method!);
    }

    private static void AddOptions(IServiceCollection services, string name, IConfiguration section)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        services.AddOptions<LowRankTrainingOptions>(name).ValidateOnStart();
        services.AddSingleton<IConfigureOptions<LowRankTrainingOptions>>(Reader).AddSingleton<IValidateOptions<LowRankTrainingOptions>>(Reader);

        ConfigureTraining Reader(IServiceProvider provider) => new(name, section, provider.GetService<ILoggerFactory>());
    }
}
