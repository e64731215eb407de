using FluentAssertions;
using LowRankTraining.Strategies;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Gradients;

/// <summary>Convolutions whose gradients are taken in the backward pass, as those of linear layers for the unfolded input.</summary>
public class ConvolutionFlowTests
{
    public static TheoryData<string> Methods => [.. Named.Keys];

    private static Dictionary<string, (UpdateMethod Method, GradientFlow Flow)> Named { get; } = new()
    {
        ["projected"] = (new GaLore { Rank = 4, RefreshEvery = 10 }, GradientFlow.Projected),
        ["drifting"] = (new OnlineSubspaceDescent { Rank = 4 }, GradientFlow.Projected),
        ["stepped"] = (new Fira { Rank = 4, RefreshEvery = 10 }, GradientFlow.Stepped),
    };

    [Theory, MemberData(nameof(Methods))]
    public void Trajectory_is_that_of_whole_gradients(string name)
    {
        using var scope = NewDisposeScope();
        var (method, flow) = Named[name];
        using ConvolvedModel whole = new(), tapped = new();
        using var one = method.Attach(whole).CreateOptimizer(0.01, 0.1);
        using var other = method.Attach(tapped, gradients: flow).CreateOptimizer(0.01, 0.1);
        foreach (var (model, optimizer) in new[] { (whole, one), (tapped, other) })
            for (var step = 0; step < 30; step++)
            {
                optimizer.zero_grad();
                model.Loss(step).backward();
                optimizer.step();
            }

        other.SkippedUpdates.Should().Be(0);
        other.Session.Describe().Should().NotContain("whole gradient");
        foreach (var ((parameter, expected), (_, actual)) in whole.named_parameters().Zip(tapped.named_parameters()))
            Draw.Error(actual.detach(), expected.detach().to(ScalarType.Float64)).Should().BeLessThan(2e-5, parameter);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1)]
    public void Projection_and_all_other_gradients_are_those_that_autograd_forms(int samples)
    {
        using var scope = NewDisposeScope();
        using ConvolvedModel model = new(), plain = new();
        using var optimizer = new GaLore { Rank = 4 }.Attach(model, gradients: GradientFlow.Projected).CreateOptimizer(0.01);
        model.Loss(0).backward();
        optimizer.step();
        optimizer.zero_grad();
        plain.load_state_dict(model.state_dict());
        foreach (var parameter in model.parameters())
            parameter.grad = null;
        Tensor input = randn(samples, 4, 11, 10, requires_grad: true), same = input.detach().clone().requires_grad_();

        model.call(input).square().sum().backward();
        plain.call(same).square().sum().backward();

        Draw.Error(input.grad!, same.grad!.to(ScalarType.Float64)).Should().BeLessThan(2e-6);
        foreach (var (name, parameter) in plain.named_parameters())
        {
            var gradient = parameter.grad!;
            if (parameter.dim() < 2)
            {
                Draw.Error(model.get_parameter(name)!.grad!, gradient.to(ScalarType.Float64)).Should().BeLessThan(2e-6, name);
                continue;
            }

            model.get_parameter(name)!.grad.Should().BeNull(name);
            var (state, matrix) = (optimizer.StateOf(model.get_parameter(name)!), gradient.flatten(1));
            var expected = matrix.size(0) < matrix.size(1) ? state["basis"].t().mm(matrix) : matrix.mm(state["basis"]);
            Draw.Error(state["accumulated"], expected.to(ScalarType.Float64)).Should().BeLessThan(5e-6, name);
        }
    }

    [Fact]
    public void Sample_without_an_axis_of_its_own_is_taken_too()
    {
        using var scope = NewDisposeScope();
        using ConvolvedModel model = new(), plain = new();
        using var optimizer = new GaLore { Rank = 4 }.Attach(model, gradients: GradientFlow.Projected).CreateOptimizer(0.01);
        var input = randn(4, 11, 10);

        model.Convolve(input).square().sum().backward();
        plain.Convolve(input).square().sum().backward();

        var state = optimizer.StateOf(model.get_parameter("padded.weight")!);
        var gradient = plain.get_parameter("padded.weight")!.grad!.flatten(1);
        var basis = state["basis"];
        Draw.Error(state["accumulated"], gradient.mm(basis).to(ScalarType.Float64)).Should().BeLessThan(5e-6, "it is the gradient that found the basis");
    }

    [Fact]
    public void Convolutions_for_which_that_is_impossible_or_does_not_pay_hold_their_gradients_with_the_reason()
    {
        using var model = nn.Sequential(
            ("grouped", nn.Conv2d(8, 256, 3, groups: 2)),
            ("mirrored", nn.Conv2d(256, 256, 3, padding: 1, padding_mode: PaddingModes.Reflect)),
            ("same", nn.Conv2d(256, 256, 3, padding: Padding.Same)),
            ("narrow", nn.Conv2d(256, 64, 3)),
            ("points", nn.Conv2d(64, 16, 1)),
            ("wide", nn.Conv2d(16, 256, 3)));

        using var session = new GaLore { Rank = 4 }.Attach(model, gradients: GradientFlow.Projected);

        var notes = session.Parameters.ToDictionary(plan => plan.Name, plan => plan.Note);
        notes["grouped.weight"].Should().Contain("whole gradient: the convolution has groups");
        notes["mirrored.weight"].Should().Contain("whole gradient: the convolution pads by Reflect");
        notes["same.weight"].Should().Contain("whole gradient: the convolution's padding is Same");
        notes["narrow.weight"].Should().Contain("whole gradient: the convolution has fewer than 256 output channels");
        notes["points.weight"].Should().BeNull();
        notes["wide.weight"].Should().BeNull();
    }

    /// <summary>Convolutions with and without padding, stride, dilation and bias, one of them of points, and places of the input that none reaches.</summary>
    private sealed class ConvolvedModel : nn.Module<Tensor, Tensor>
    {
        private readonly nn.Module<Tensor, Tensor> padded;
        private readonly nn.Module<Tensor, Tensor> points;
        private readonly nn.Module<Tensor, Tensor> dilated;

        public ConvolvedModel() : base(nameof(ConvolvedModel))
        {
            random.manual_seed(7);
            padded = nn.Conv2d(4, 256, 3, stride: 2, padding: 1);
            points = nn.Conv2d(256, 16, 1, bias: false);
            dilated = nn.Conv2d(16, 256, (3, 2), stride: (2, 1), padding: (2, 0), dilation: (2, 1));
            RegisterComponents();
        }

        public Tensor Convolve(Tensor input) => dilated.call(points.call(padded.call(input).tanh())).tanh();

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return Convolve(input).mean([2, 3]).MoveToOuterDisposeScope();
        }

        /// <summary>A loss of a batch that is the same for every model.</summary>
        public Tensor Loss(int batch)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)batch + 1, CPU);
            var input = randn([5, 4, 11, 10], ScalarType.Float32, generator: generator);
            return (call(input) - randn([5, 256], ScalarType.Float32, generator: generator)).square().mean().MoveToOuterDisposeScope();
        }
    }
}
