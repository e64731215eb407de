namespace LowRankTraining.Samples.Tests.FineTuning;

/// <summary>What the models compute, written down a second time: loops over doubles, from the papers, with nothing of the samples or of TorchSharp.</summary>
internal static class ReferenceForward
{
    /// <summary>Logits of every position.</summary>
    public static double[][] Llama(RandomModel model, int[] tokens)
    {
        int hidden = model.Size("hidden_size"), heads = model.Size("num_attention_heads"), keyHeads = model.Size("num_key_value_heads");
        var feature = model.Config["head_dim"]?.GetValue<int>() ?? hidden / heads;
        var epsilon = model.Number("rms_norm_eps");
        var table = model["model.embed_tokens.weight"];
        var stream = tokens.Select(token => table[(token * hidden)..((token + 1) * hidden)]).ToArray();
        for (var layer = 0; layer < model.Size("num_hidden_layers"); layer++)
        {
            var root = $"model.layers.{layer}.";
            var normed = stream.Select(x => RmsNorm(x, model[$"{root}input_layernorm.weight"], epsilon)).ToArray();
            var query = normed.Select((x, place) => Rotate(Linear(model, $"{root}self_attn.q_proj", x), feature, place, model)).ToArray();
            var key = normed.Select((x, place) => Rotate(Linear(model, $"{root}self_attn.k_proj", x), feature, place, model)).ToArray();
            var value = normed.Select(x => Linear(model, $"{root}self_attn.v_proj", x)).ToArray();
            var mixed = Attend(query, key, value, heads, keyHeads, feature);
            stream = [.. stream.Zip(mixed, (x, y) => Sum(x, Linear(model, $"{root}self_attn.o_proj", y)))];
            stream = [.. stream.Select(x =>
            {
                var y = RmsNorm(x, model[$"{root}post_attention_layernorm.weight"], epsilon);
                var (gate, up) = (Linear(model, $"{root}mlp.gate_proj", y), Linear(model, $"{root}mlp.up_proj", y));
                return Sum(x, Linear(model, $"{root}mlp.down_proj", [.. gate.Zip(up, (g, u) => g / (1 + Math.Exp(-g)) * u)]));
            })];
        }

        var head = model[model.Flag("tie_word_embeddings") ? "model.embed_tokens.weight" : "lm_head.weight"];
        return [.. stream.Select(x => Product(head, RmsNorm(x, model["model.norm.weight"], epsilon)))];
    }

    /// <summary>Logits of every position.</summary>
    public static double[][] Gpt2(RandomModel model, string root, int[] tokens)
    {
        int hidden = model.Size("n_embd"), heads = model.Size("n_head");
        var (words, places) = (model[$"{root}wte.weight"], model[$"{root}wpe.weight"]);
        var stream = tokens.Select((token, place) => Sum(words[(token * hidden)..((token + 1) * hidden)], places[(place * hidden)..((place + 1) * hidden)]))
            .ToArray();
        for (var layer = 0; layer < model.Size("n_layer"); layer++)
        {
            var name = $"{root}h.{layer}.";
            var three = stream.Select(x => Conv1D(model, $"{name}attn.c_attn", LayerNorm(model, $"{name}ln_1", x))).ToArray();
            var mixed = Attend(
                [.. three.Select(x => x[..hidden])], [.. three.Select(x => x[hidden..(2 * hidden)])], [.. three.Select(x => x[(2 * hidden)..])],
                heads, heads, hidden / heads);
            stream = [.. stream.Zip(mixed, (x, y) => Sum(x, Conv1D(model, $"{name}attn.c_proj", y)))];
            stream =
                [.. stream.Select(x =>
                    Sum(x, Conv1D(model, $"{name}mlp.c_proj", [.. Conv1D(model, $"{name}mlp.c_fc", LayerNorm(model, $"{name}ln_2", x)).Select(GeluNew)])))];
        }

        return [.. stream.Select(x => Product(words, LayerNorm(model, $"{root}ln_f", x)))];
    }

    /// <summary>Angles of Llama 3.1's files, in the words of its own description: by wavelength.</summary>
    public static double Frequency(RandomModel model, double frequency)
    {
        if (model.Config["rope_scaling"] is not { } scaling)
            return frequency;

        var factor = scaling["factor"]!.GetValue<double>();
        if (scaling["rope_type"]!.GetValue<string>() == "linear")
            return frequency / factor;

        var (low, high) = (scaling["low_freq_factor"]!.GetValue<double>(), scaling["high_freq_factor"]!.GetValue<double>());
        var context = scaling["original_max_position_embeddings"]!.GetValue<int>();
        var wavelength = 2 * Math.PI / frequency;
        if (wavelength < context / high)
            return frequency;
        if (wavelength > context / low)
            return frequency / factor;

        var smooth = (context / wavelength - low) / (high - low);
        return (1 - smooth) * frequency / factor + smooth * frequency;
    }

    private static double[] Rotate(double[] heads, int feature, int place, RandomModel model)
    {
        var turned = new double[heads.Length];
        for (var head = 0; head < heads.Length; head += feature)
        {
            for (var pair = 0; pair < feature / 2; pair++)
            {
                var angle = place * Frequency(model, Math.Pow(model.Number("rope_theta"), -2.0 * pair / feature));
                var (first, second) = (heads[head + pair], heads[head + pair + feature / 2]);
                turned[head + pair] = first * Math.Cos(angle) - second * Math.Sin(angle);
                turned[head + pair + feature / 2] = second * Math.Cos(angle) + first * Math.Sin(angle);
            }
        }

        return turned;
    }

    private static double[][] Attend(double[][] query, double[][] key, double[][] value, int heads, int keyHeads, int feature)
    {
        var mixed = query.Select(x => new double[heads * feature]).ToArray();
        for (var head = 0; head < heads; head++)
        {
            var (from, shared) = (head * feature, head / (heads / keyHeads) * feature);
            for (var place = 0; place < query.Length; place++)
            {
                var scores = new double[place + 1];
                for (var other = 0; other <= place; other++)
                    for (var i = 0; i < feature; i++)
                        scores[other] += query[place][from + i] * key[other][shared + i] / Math.Sqrt(feature);
                var weights = scores.Select(score => Math.Exp(score - scores.Max())).ToArray();
                for (var other = 0; other <= place; other++)
                    for (var i = 0; i < feature; i++)
                        mixed[place][from + i] += weights[other] / weights.Sum() * value[other][shared + i];
            }
        }

        return mixed;
    }

    private static double GeluNew(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

    private static double[] RmsNorm(double[] x, double[] gain, double epsilon)
    {
        var root = Math.Sqrt(x.Average(value => value * value) + epsilon);
        return [.. x.Zip(gain, (value, scale) => value / root * scale)];
    }

    private static double[] LayerNorm(RandomModel model, string name, double[] x)
    {
        var mean = x.Average();
        var deviation = Math.Sqrt(x.Average(value => (value - mean) * (value - mean)) + model.Number("layer_norm_epsilon"));
        return [.. x.Select((value, i) => (value - mean) / deviation * model[$"{name}.weight"][i] + model[$"{name}.bias"][i])];
    }

    /// <summary>y = W x + b, W out × in.</summary>
    private static double[] Linear(RandomModel model, string name, double[] x)
    {
        var y = Product(model[$"{name}.weight"], x);
        return model.Has($"{name}.bias") ? Sum(y, model[$"{name}.bias"]) : y;
    }

    /// <summary>y = x W + b, W in × out.</summary>
    private static double[] Conv1D(RandomModel model, string name, double[] x)
    {
        var (weight, bias) = (model[$"{name}.weight"], model[$"{name}.bias"]);
        var y = bias.ToArray();
        for (var i = 0; i < x.Length; i++)
            for (var j = 0; j < y.Length; j++)
                y[j] += x[i] * weight[i * y.Length + j];
        return y;
    }

    private static double[] Product(double[] matrix, double[] x)
    {
        var y = new double[matrix.Length / x.Length];
        for (var i = 0; i < y.Length; i++)
            for (var j = 0; j < x.Length; j++)
                y[i] += matrix[i * x.Length + j] * x[j];
        return y;
    }

    private static double[] Sum(double[] x, double[] y) => [.. x.Zip(y, (a, b) => a + b)];
}
