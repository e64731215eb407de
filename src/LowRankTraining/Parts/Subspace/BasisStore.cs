using TorchSharp;
using static TorchSharp.torch;

namespace LowRankTraining.Parts;

/// <summary>One basis in a <see cref="StateBag"/>: what is kept of it, and how it is stored.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Basis">Knows what is kept and how columns are made of it.</param>
/// <param name="Format">How columns are stored.</param>
internal readonly record struct BasisStore(string Name, IBasis Basis, StateFormat Format)
{
    private MomentSlot Slot => new(Name, 0) { Format = Format };

    private string Drawn => Name + "_drawn";

    private string Rank => Name + "_rank";

    /// <summary>Two bases of one parameter draw different numbers: with equal ones, rows and columns of a square matrix would get the same subspace.</summary>
    private StepContext Keyed(in StepContext step) => Name == SubspaceRule.OnlyBasis ? step : step with { Parameter = $"{step.Parameter}/{Name}" };

    /// <summary>The columns, length × rank, or the coordinates; not to be changed.</summary>
    public Tensor Open(Tensor like, long length, StateBag state, in StepContext step) => Basis switch
    {
        IDrawnBasis drawn => drawn.Draw(like, length, state.Counter(Rank), Keyed(step) with { Step = state.Counter(Drawn) }),
        ISelectedBasis => Basis.Columns(state[Name], length, like.dtype),
        _ => Slot.Read(state, new TensorKind(like, [length, state.Counter(Rank)])),
    };

    /// <summary>Finds a basis and keeps it.</summary>
    public void Renew(in SubspaceQuery query, StateBag state)
    {
        var rank = query.Rank;
        if (Basis is IDrawnBasis)
            state.SetCounter(Drawn, query.Step.Step);
        else
        {
            var kept = Basis.Find(query with { Step = Keyed(query.Step) });
            rank = kept.shape[^1];
            Keep(kept, state, query.Step);
        }

        state.SetCounter(Rank, rank);
    }

    /// <summary>Keeps a basis.</summary>
    public void Keep(Tensor kept, StateBag state, in StepContext step)
    {
        if (Basis is ISelectedBasis)
            state.Set(Name, kept);
        else
            Slot.Write(state, kept, step);
    }
}
