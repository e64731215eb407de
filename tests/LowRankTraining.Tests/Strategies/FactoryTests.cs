using System.Reflection;
using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Strategies;

public class FactoryTests
{
    private static readonly Type Named = typeof(IEnumerable<(string, Parameter)>), Unnamed = typeof(IEnumerable<Parameter>);

    public static TheoryData<string, string> Factories
    {
        get
        {
            var all = new TheoryData<string, string>();
            foreach (var factory in typeof(GaLore).Assembly.GetExportedTypes().SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static)))
                if (factory.ReturnType == typeof(LowRankOptimizer) && factory.GetParameters()[0].ParameterType == Named)
                    all.Add(factory.DeclaringType!.Name, factory.Name);
            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Factories))]
    public void Factory_takes_parameters_without_names_too(string type, string name)
    {
        var (named, unnamed) = (Make(), Make());
        using var expected = Create(type, name, named.Select((parameter, index) => ($"parameters[{index}]", parameter)));
        using var actual = Create(type, name, unnamed);

        foreach (var step in Enumerable.Range(0, 3))
            foreach (var (optimizer, parameters) in new[] { (expected, named), (actual, unnamed) })
            {
                foreach (var parameter in parameters)
                    parameter.grad = Draw.Normal(parameter.shape, 10 + (ulong)step);
                optimizer.step();
            }

        foreach (var (one, other) in named.Zip(unnamed))
            Draw.Error(other, one).Should().Be(0);
    }

    private static Parameter[] Make() => [new(Draw.Normal([24, 32], 1)), new(Draw.Normal([24], 2)), new(Draw.Normal([40, 16], 3))];

    private static LowRankOptimizer Create<T>(string type, string name, IEnumerable<T> parameters)
    {
        var factory = typeof(GaLore).Assembly.GetExportedTypes().Single(candidate => candidate.Name == type).GetMethods()
            .Single(method => method.Name == name && method.GetParameters()[0].ParameterType == (typeof(T) == typeof(Parameter) ? Unnamed : Named));
        var arguments = factory.GetParameters().Skip(1).Select(argument => argument.Name switch
        {
            "lr" => 0.01,
            "rank" => 4,
            _ => argument.DefaultValue!,
        });
        return (LowRankOptimizer)factory.Invoke(null, [parameters, .. arguments])!;
    }
}
