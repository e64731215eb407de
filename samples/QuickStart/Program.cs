using LowRankTraining.Strategies;
using TorchSharp;
using static TorchSharp.torch;

// An ordinary TorchSharp program: a network, a loss, a loop. Only the optimizer's line is ours.
manual_seed(1);
using var model = nn.Sequential(
    ("first", nn.Linear(64, 512)),
    ("active", nn.ReLU()),
    ("second", nn.Linear(512, 64)));

// was: optim.AdamW(model.named_parameters(), lr: 1e-3)
using var optimizer = GaLore.AdamW(model.named_parameters(), lr: 0.01, rank: 16, update_proj_gap: 50);

using var truth = randn(64, 64);
for (var step = 1; step <= 300; step++)
{
    using var scope = NewDisposeScope();
    var input = randn(128, 64);
    var target = input.mm(truth).div(8).sin();

    optimizer.zero_grad();
    var loss = nn.functional.mse_loss(model.call(input), target);
    loss.backward();
    optimizer.step();

    if (step % 50 == 0)
        Console.WriteLine($"step {step}: loss {loss.ToSingle():f4}");
}

var weights = model.parameters().Sum(parameter => parameter.numel());
Console.WriteLine($"Optimizer state: {optimizer.StateBytes / 1024.0:f0} KiB; AdamW's would be {2 * 4 * weights / 1024.0:f0} KiB.");
