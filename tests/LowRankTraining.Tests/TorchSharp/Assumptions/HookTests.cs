using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Tests.Assumptions;

/// <summary>When TorchSharp runs forward hooks: adapters of layers that cannot be replaced are such hooks.</summary>
public class HookTests
{
    [Fact]
    public void Hooks_run_on_call_and_not_on_forward()
    {
        using var layer = nn.Linear(2, 2);
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
    public void Hooks_of_one_kind_run_in_the_order_of_registration_each_on_what_the_last_returned()
    {
        using var scope = NewDisposeScope();
        using var identity = nn.Identity();
        identity.register_forward_pre_hook((_, x) => x + 1);
        identity.register_forward_hook((_, x, y) => y * 10 + x);
        identity.register_forward_hook((_, _, y) => y + 0.5f);

        identity.call(ones(1)).ToSingle().Should().Be(22.5f);
    }

    [Fact]
    public void Removed_hook_runs_no_more()
    {
        using var scope = NewDisposeScope();
        using var identity = nn.Identity();
        var runs = 0;
        var hook = identity.register_forward_hook(_ => runs++);

        identity.call(ones(1));
        hook.remove();
        identity.call(ones(1));

        runs.Should().Be(1);
    }

    [Fact]
    public void Sequential_calls_its_children_so_that_their_hooks_run()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(2, 2);
        using var model = nn.Sequential(layer, nn.ReLU());
        var runs = 0;
        layer.register_forward_hook(_ => runs++);

        model.forward(ones(1, 2));

        runs.Should().Be(1);
    }
}
