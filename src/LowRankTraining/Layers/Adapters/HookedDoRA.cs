using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace LowRankTraining.Layers;

/// <summary>Factors and magnitudes by which a forward hook changes the output of a linear layer.</summary>
internal sealed class HookedDoRA : MagnitudeAdapter
{
    private readonly Linear _linear;
    private readonly HookedParts _parts;
    private readonly bool _normGradient;
    private bool _active, _reached;
    private Action _unhook = () => { };

    public HookedDoRA(Site site, AdapterRecipe recipe, bool normGradient, string reason) : base(site, recipe, reason)
    {
        (_linear, _parts, _normGradient) = (site.Linear!, new HookedParts(site.Linear!), normGradient);
        var key = recipe.DrawKey(site.Name, 0);
        var (a, b) = LowRankFactors.Make(Weight, RankAfter(0), key);
        _parts.Add(LowRankFactors.A, a);
        _parts.Add(LowRankFactors.B, b);
        _parts.Add(DoRALinear.MagnitudeName, DoRALinear.Magnitudes(Weight, a, b, recipe.Scale));
        Dropout = DropoutMask.For(key, recipe.Dropout);
    }

    public override Injection Injection => Injection.Hook;

    public override bool IsReached => _reached;

    public override bool HasRun { get => _reached; set => _reached = value; }

    protected override Parameter A => _parts[LowRankFactors.A];

    protected override Parameter B => _parts[LowRankFactors.B];

    protected override Parameter Magnitude => _parts[DoRALinear.MagnitudeName];

    protected override DropoutMask? Dropout { get; }

    public override void Follow() => _parts.Follow();

    public override void Install()
    {
        _parts.Register();

        Func<nn.Module<Tensor, Tensor>, Tensor, Tensor, Tensor> hook = (_, input, output) => Turn(input, output);
        _unhook = _linear.register_forward_hook(hook).remove;
        SetForm(active: true);
    }

    protected override void TakeOut()
    {
        _unhook();
        _parts.Remove();
    }

    protected override void Enable(bool active) => _active = active;

    /// <summary>x W′ᵀ + b from x and x Wᵀ + b.</summary>
    private Tensor Turn(Tensor input, Tensor output)
    {
        _reached = true;
        if (!_active)
            return output;

        using var scope = NewDisposeScope();
        var hidden = LowRankFactors.Hidden(LowRankFactors.Rows(input), A, Recipe.Scale, Dropout, _linear.training);
        var direction = LowRankFactors.Rows(output).addmm(hidden, B.t());
        if (_linear.bias is { } bias)
            direction.sub_(bias);

        var turned = direction.mul(DoRALinear.Gain(Weight, A, B, Magnitude, Recipe.Scale, _normGradient));
        if (_linear.bias is not null)
            turned.add_(_linear.bias);

        // Nothing in the graph needs the plain output any more, and every layer has one.
        var result = turned.reshape(output.shape).MoveToOuterDisposeScope();
        output.Dispose();
        return result;
    }
}
