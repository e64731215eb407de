using FluentAssertions;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace TorchSharp.SystemLibtorch.Tests.Modules;

public sealed class HookTests
{
    [Fact]
    public void Hooks_run_on_call_and_not_on_forward()
    {
        using var layer = Linear(2, 2);
        using var input = ones(1, 2);
        var order = new List<string>();
        layer.register_forward_pre_hook(_ => order.Add("module before"));
        layer.register_forward_pre_hook((_, x) =>
        {
            order.Add("before");
            return x;
        });
        layer.register_forward_hook((_, _, y) =>
        {
            order.Add("after");
            return y;
        });
        layer.register_forward_hook(_ => order.Add("module after"));

        layer.forward(input).Dispose();
        order.Should().BeEmpty();
        layer.call(input).Dispose();

        order.Should().Equal("module before", "before", "after", "module after");
    }

    [Fact]
    public void A_hook_may_replace_the_input_and_the_result()
    {
        using var identity = Identity();
        using var input = ones(1);
        identity.register_forward_pre_hook((_, x) => x + 1);
        identity.register_forward_hook((_, x, y) => y * 10 + x);

        using var result = identity.call(input);

        result.item<float>().Should().Be(22);
    }

    [Fact]
    public void A_removed_hook_runs_no_more()
    {
        using var identity = Identity();
        using var input = ones(1);
        var runs = 0;
        var hook = identity.register_forward_hook(_ => runs++);

        identity.call(input).Dispose();
        hook.remove();
        identity.call(input).Dispose();

        runs.Should().Be(1);
    }

    [Fact]
    public void Hooks_of_modules_with_two_inputs_see_both()
    {
        using var loss = MSELoss();
        using var input = ones(2);
        using var target = zeros(2);
        loss.register_forward_pre_hook((_, x, y) => (x * 3, y));

        using var result = loss.call(input, target);

        result.item<float>().Should().Be(9);
    }

    [Fact]
    public void Sequential_calls_its_children_so_that_their_hooks_run()
    {
        using var layer = Linear(2, 2);
        using var model = Sequential(layer, ReLU());
        using var input = ones(1, 2);
        var runs = 0;
        layer.register_forward_hook(_ => runs++);

        model.forward(input).Dispose();

        runs.Should().Be(1);
    }
}
