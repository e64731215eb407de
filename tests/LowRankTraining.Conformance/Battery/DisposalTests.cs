using FluentAssertions;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>Every method can be disposed in any order, any number of times, at any time.</summary>
public class DisposalTests
{
    private static readonly string[][] Orders =
    [
        ["optimizer", "session", "model"], ["session", "optimizer", "model"], ["model", "optimizer", "session"], ["model", "session", "optimizer"],
        ["optimizer", "model", "session"],
    ];

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Anything_can_be_disposed_in_any_order_and_again(string method)
    {
        foreach (var order in Orders)
            foreach (var (trains, finishes) in new[] { (false, false), (true, false), (true, true) })
            {
                var model = new Problems.Mlp();
                var session = Methods.Make(method).Attach(model);
                var optimizer = session.CreateOptimizer(lr: 0.01);
                if (trains)
                    Problems.Train(model, optimizer, 1, 3);
                if (finishes)
                    session.Finish();

                var dispose = () =>
                {
                    foreach (var part in order.Concat(order))
                        Part(part, model, session, optimizer).Dispose();
                };

                dispose.Should().NotThrow("of {0}, {1}", string.Join(", ", order), finishes ? "finished" : trains ? "trained" : "new");
            }
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Every_way_into_an_optimizer_without_its_model_says_that_the_model_was_disposed(string method)
    {
        var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01);
        Problems.Train(model, optimizer, 1, 2);

        var saved = Saved(optimizer);
        model.Dispose();

        foreach (var call in WaysIn(optimizer, saved))
            call.Should().Throw<InvalidOperationException>().WithMessage("*is gone: the model was disposed*");
    }

    [Theory, MemberData(nameof(Methods.All), MemberType = typeof(Methods))]
    public void Every_way_into_an_optimizer_whose_model_was_moved_says_so(string method)
    {
        using var model = new Problems.Mlp();
        using var optimizer = Methods.Make(method).Attach(model).CreateOptimizer(lr: 0.01);
        Problems.Train(model, optimizer, 1, 2);

        var saved = Saved(optimizer);
        model.to(ScalarType.BFloat16);

        foreach (var call in WaysIn(optimizer, saved))
            call.Should().Throw<InvalidOperationException>().WithMessage("*model.to(...)*Move the model first*")
                .And.Message.Should().NotContain("the model was disposed");
    }

    [Fact]
    public void Every_way_into_a_disposed_optimizer_says_so()
    {
        using var model = new Problems.Mlp();
        var optimizer = Methods.Make("galore").Attach(model).CreateOptimizer(lr: 0.01);
        Problems.Train(model, optimizer, 1, 2);

        var saved = Saved(optimizer);
        optimizer.Dispose();

        foreach (var call in WaysIn(optimizer, saved))
            call.Should().Throw<ObjectDisposedException>().WithMessage("*optimizer has been disposed*");
    }

    [Fact]
    public void Without_the_model_both_fates_are_named()
    {
        var model = new Problems.Mlp();
        using var optimizer = Strategies.GaLore.AdamW(model.named_parameters(), rank: 4);

        var saved = Saved(optimizer);
        model.Dispose();

        foreach (var call in WaysIn(optimizer, saved))
            call.Should().Throw<InvalidOperationException>().WithMessage("*the model was disposed, or moved*");
    }

    private static byte[] Saved(LowRankOptimizer optimizer)
    {
        using var stream = new MemoryStream();
        optimizer.save_state_dict(new BinaryWriter(stream));
        return stream.ToArray();
    }

    private static Action[] WaysIn(LowRankOptimizer optimizer, byte[] saved) =>
    [
        () => optimizer.step(),
        optimizer.zero_grad,
        () => optimizer.accumulate(),
        () => optimizer.clip_grad_norm_(1),
        () => optimizer.state_dict(),
        () => optimizer.to(CPU),
        () => optimizer.save_state_dict(new BinaryWriter(new MemoryStream())),
        () => optimizer.load_state_dict(new BinaryReader(new MemoryStream(saved))),
    ];

    private static IDisposable Part(string part, Problems.Mlp model, ILowRankSession session, LowRankOptimizer optimizer) => part switch
    {
        "model" => model,
        "session" => session,
        _ => optimizer,
    };
}
