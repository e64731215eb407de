using System.Globalization;

namespace LowRankTraining.Conformance.Golden;

/// <summary>Cases with other names, counts and shapes than those that are recorded, whose results follow from recorded ones or from formulas.</summary>
internal static class Variants
{
    /// <summary>What makes a variant, and a result in it.</summary>
    public static readonly IReadOnlyDictionary<string, (Func<Variant> Make, string Result)> ByName = new Dictionary<string, (Func<Variant>, string)>
    {
        ["welore, three matrices of other names, two thresholds"] = (() => WeLore(notes: true), "kept_rank.1"),
        ["welore, order of the file, one threshold"] = (() => WeLore(notes: false), "reduction.0"),
        ["prilora, two batches, ranks above 16, two ways of pruning"] = (PriLoRA, "pruned_1of3"),
        ["galore, transposed, eight steps"] = (TransposedGaLore, "w.8"),
        ["inrank, no bias"] = (() => WithoutBias("inrank_fast", "y.first", "y.last"), "y.last"),
        ["8-bit layer, no bias"] = (() => WithoutBias("qgalore_w8_linear", "y"), "grad_w"),
    };

    /// <summary>Some of the recorded matrices under other names and in another order. The share is the sum of the reductions over that of the short
    /// sides.</summary>
    private static Variant WeLore(bool notes)
    {
        var golden = GoldenFolder.Recorded.Case("welore_rank_allocation");
        (string Name, string Recorded)[] matrices =
            [("head.proj", "1.mlp.down_proj"), ("blocks.7.wq", "0.self_attn.v_proj"), ("blocks.3.w_in", "0.mlp.up_proj")];
        int[] thresholds = notes ? [2, 4] : [2];
        var columns = matrices.Select(matrix => golden.NamesAfter("w.").ToList().IndexOf(matrix.Recorded)).ToArray();
        var shortSides = matrices.Sum(matrix => golden[$"w.{matrix.Recorded}"].Shape.Min());

        var variant = Variant.Like(golden)
            .With("hp.thresholds", string.Join(',', thresholds.Select(index => golden.Text("hp.thresholds").Split(',')[index])))
            .With("notes",
                notes ? $"order of the entries in every table: {string.Join(", ", matrices.Select(matrix => matrix.Name))}; "
                    + "approximation.* is the rank-kept_rank.0 SVD truncation" : "none");
        foreach (var (name, recorded) in notes ? matrices.Reverse() : matrices)
            foreach (var kind in new[] { "w", "singular_values", "approximation" })
                variant.Add($"{kind}.{name}", golden[$"{kind}.{recorded}"]);
        for (var i = 0; i < thresholds.Length; i++)
        {
            var reduction = Of("reduction", i);
            variant.Add($"reduction.{i}", reduction).Add($"kept_rank.{i}", Of("kept_rank", i)).Add($"reduced_fraction.{i}", [reduction.Sum() / shortSides]);
        }

        return variant;

        double[] Of(string table, int i) => [.. columns.Select(column => golden[$"{table}.{thresholds[i]}"].Values[column])];
    }

    /// <summary>rank = round(first + (last − first) l / (L − 1)); n ← β n + (1 − β) ‖x_j‖ / √rows; the entries with the least |A_ij| n_j of every group of a
    /// row go.</summary>
    private static Variant PriLoRA()
    {
        const int Rank = 10, Columns = 12, Layers = 4, First = 3, Last = 21;
        const double Beta = 0.75;
        var random = new Random(5);
        var a = Draw(Rank * Columns);
        var variant = Variant.Like(GoldenFolder.Recorded.Case("prilora_importance"))
            .With("hp.layers", Layers).With("hp.r_first", First).With("hp.r_last", Last).With("hp.beta", Beta).With("shape", $"{Rank}x{Columns}")
            .Add("ranks", [.. Enumerable.Range(0, Layers).Select(layer => Math.Round(First + (Last - First) * layer / (Layers - 1.0)))])
            .Add("A", a, Rank, Columns);

        var norms = new double[Columns];
        foreach (var (batch, rows) in new[] { (1, 5), (2, 9) })
        {
            var x = Draw(rows * Columns);
            norms = [.. norms.Select((norm, j) =>
                Beta * norm + (1 - Beta) * Math.Sqrt(Enumerable.Range(0, rows).Sum(i => x[i * Columns + j] * x[i * Columns + j]) / rows))];
            variant.Add($"x.{batch}", x, rows, Columns).Add($"running_norm.{batch}", norms);
        }

        Prune("half", zeros: Columns / 2, group: Columns);
        Prune("1of3", zeros: 1, group: 3);
        return variant;

        void Prune(string name, int zeros, int group)
        {
            double[] mask = [.. Enumerable.Repeat(1.0, a.Length)];
            foreach (var neighbors in Enumerable.Range(0, a.Length).Chunk(group))
                foreach (var least in neighbors.OrderBy(index => Math.Abs(a[index]) * norms[index % Columns]).Take(zeros))
                    mask[least] = 0;
            variant.Add($"pruned_{name}", [.. a.Zip(mask, (entry, kept) => entry * kept)], Rank, Columns).Add($"mask_{name}", mask, Rank, Columns);
        }

        double[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (double)(float)(random.NextDouble() - 0.5))];
    }

    /// <summary>What happens to a wide matrix from the left happens to its transpose from the right.</summary>
    private static Variant TransposedGaLore()
    {
        const int Steps = 8;
        var golden = GoldenFolder.Recorded.Case("galore_adamw_std_wide");
        var variant = Variant.Like(golden).With("shape", "24x16").With("steps", Steps).With("refresh_steps", "1,6");
        foreach (var (name, tensor) in golden.Tensors)
            if (name.Split('.') is [_, var step] && int.Parse(step, CultureInfo.InvariantCulture) <= Steps)
                variant.Add(name, Transposed(tensor));
        return variant;
    }

    private static Variant WithoutBias(string recorded, params string[] outputs)
    {
        var golden = GoldenFolder.Recorded.Case(recorded);
        var (variant, bias) = (Variant.Like(golden), golden["bias"].Values);
        foreach (var (name, tensor) in golden.Tensors)
            if (!name.Contains("bias", StringComparison.Ordinal))
                variant.Add(name,
                    outputs.Contains(name) ? tensor with { Values = [.. tensor.Values.Select((value, index) => value - bias[index % bias.Length])] } : tensor);
        return variant;
    }

    private static GoldenTensor Transposed(GoldenTensor tensor)
    {
        var (rows, columns) = (tensor.Shape[0], tensor.Shape[1]);
        return new([columns, rows],
            [.. from column in Enumerable.Range(0, (int)columns) from row in Enumerable.Range(0, (int)rows) select tensor.Values[row * columns + column]]);
    }
}
