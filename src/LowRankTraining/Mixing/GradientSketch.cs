namespace LowRankTraining.Mixing;

/// <summary>A count sketch of the gradients: number j goes into dimension j mod k, with a random sign.</summary>
/// <remarks>
/// <para>zᵢ = Σ σⱼ gⱼ over the j with j mod k = i. E⟨z(a), z(b)⟩ = ⟨a, b⟩, because signs of different numbers are independent. The signs are drawn again from
/// their keys at every use: they take no memory, and equal seeds give equal sketches on every worker with the same kind of device.</para>
/// <para>Cost: one sign and one addition for each number; scratch of two slabs of 2²⁰ numbers. Source: Charikar, Chen and Farach-Colton, Finding frequent items
/// in data streams, 2002.</para>
/// </remarks>
internal sealed class GradientSketch(IReadOnlyList<Parameter> parameters, int dimensions, ulong seed) : GradientView
{
    private const long SlabNumbers = 1 << 20;

    internal override string Layout => $"sketch of {Size(parameters)} in {dimensions}, seed {seed}";

    internal override Device Device => parameters[0].device;

    private protected override Tensor Compute()
    {
        var sketch = zeros(dimensions, ScalarType.Float32, parameters[0].device);
        for (var index = 0; index < parameters.Count; index++)
        {
            using var gradient = parameters[index].grad;
            if (gradient is null)
                continue;

            using var generator = new Generator(RandomKey.For(seed, $"parameter {index}", "gradient sketch", 0));
            Add(gradient.reshape(-1), sketch, generator);
        }

        return sketch;
    }

    private void Add(Tensor gradient, Tensor sketch, Generator generator)
    {
        var slab = Math.Max(1, SlabNumbers / dimensions) * dimensions;
        for (long start = 0, length = gradient.numel(); start < length; start += slab)
        {
            using var scope = NewDisposeScope();
            var numbers = Math.Min(slab, length - start);
            var signed = generator.Signs(numbers, gradient.device).mul_(gradient.narrow(0, start, numbers));

            var full = numbers / dimensions * dimensions;
            sketch.add_(signed.narrow(0, 0, full).view(-1, dimensions).sum(0L));
            sketch.narrow(0, 0, numbers - full).add_(signed.narrow(0, full, numbers - full));
        }
    }
}
