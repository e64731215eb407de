using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using FluentAssertions;
using LowRankTraining.ByteCounting;
using Xunit;
using static TorchSharp.torch;

namespace LowRankTraining.Conformance.Battery;

/// <summary>What the counted tests lean on: that the counter counts, and counts right.</summary>
public class ByteCounterTests
{
    private const long Megabyte = 1 << 20;

    /// <summary>What other tests left to the finalizer must not be freed in the middle of a count.</summary>
    public ByteCounterTests()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }

    [Fact]
    public void Bytes_are_counted_on_Linux_and_nowhere_without_saying_so()
    {
        if (OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64)
            ByteCounter.Absence.Should().BeNull("a test that needs it would be skipped");
        else
            ByteCounter.Absence.Should().Contain("Linux");
    }

    [CountedTheory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(1000)]
    [InlineData(Megabyte + 1)]
    [InlineData(100 * Megabyte + 13)]
    public void Live_bytes_follow_storage_exactly(long size)
    {
        var before = ByteCounter.Live;
        using (var a = zeros(size, dtype: ScalarType.Byte))
        {
            ByteCounter.Live.Should().Be(before + size);
            using var view = a.narrow(0, 0, 1);
            ByteCounter.Live.Should().Be(before + size, "a view has no storage");
            using var b = a.clone();
            ByteCounter.Live.Should().Be(before + 2 * size);
        }

        ByteCounter.Live.Should().Be(before);
    }

    [CountedFact]
    public void Peak_remembers_temporaries_until_it_is_reset()
    {
        var before = ByteCounter.Live;
        ByteCounter.ResetPeak();
        zeros(3 * Megabyte, dtype: ScalarType.Byte).Dispose();
        zeros(Megabyte, dtype: ScalarType.Byte).Dispose();

        ByteCounter.Peak.Should().Be(before + 3 * Megabyte);
        ByteCounter.ResetPeak();
        ByteCounter.Peak.Should().Be(before);
    }

    [CountedFact]
    public void Gradient_that_is_set_to_null_is_freed()
    {
        using var scope = NewDisposeScope();
        var weight = zeros(Megabyte / 4, requires_grad: true);
        weight.sum().backward();
        var before = ByteCounter.Live;

        weight.grad = null;

        ByteCounter.Live.Should().Be(before - Megabyte);
    }

    [CountedFact]
    public void Tensor_that_only_the_finalizer_frees_is_counted_until_then()
    {
        var before = ByteCounter.Live;
        Forget();
        ByteCounter.Live.Should().Be(before + Megabyte);

        GC.Collect();
        GC.WaitForPendingFinalizers();

        ByteCounter.Live.Should().Be(before);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Forget() => zeros(Megabyte, dtype: ScalarType.Byte);
    }

    /// <summary>Blocks are made on one thread and freed on another, which ends, while the garbage collector is at work.</summary>
    [CountedFact]
    public void Nothing_is_lost_between_threads_that_come_and_go()
    {
        const int Threads = 8, Rounds = 25, Tensors = 20;
        var before = ByteCounter.Live;

        for (var round = 0; round < Rounds; round++)
        {
            var made = new TorchSharp.torch.Tensor[Threads][];
            Each(thread => made[thread] = [.. Enumerable.Range(1, Tensors).Select(size => rand(size * (thread + 1)))]);
            ByteCounter.Live.Should().Be(before + 4 * Tensors * (Tensors + 1) / 2 * Threads * (Threads + 1) / 2);
            GC.Collect(0);
            Each(thread => Array.ForEach(made[Threads - 1 - thread], tensor => tensor.Dispose()));
        }

        ByteCounter.Live.Should().Be(before);

        static void Each(Action<int> work)
        {
            Thread[] threads = [.. Enumerable.Range(0, Threads).Select(index => new Thread(() => work(index)))];
            Array.ForEach(threads, thread => thread.Start());
            Array.ForEach(threads, thread => thread.Join());
        }
    }

    /// <summary>What glibc's own aligned allocation does not do: small things come to lie in the ends that it cuts off.</summary>
    [CountedFact]
    public void Space_of_a_tensor_fits_the_next_one_of_its_size()
    {
        const int Tensors = 64, Size = 100_000, Few = 8;
        using var scope = NewDisposeScope();
        var freed = Between(Size);
        var places = Array.ConvertAll(freed, AddressOf);
        Array.ForEach(freed, tensor => tensor.Dispose());

        Between(Size).Select(AddressOf).Where(address => !places.Any(place => Math.Abs(address - place) < Size / 2)).Should().HaveCountLessThan(Few);

        static TorchSharp.torch.Tensor[] Between(long size) => [.. Enumerable.Range(0, Tensors).Select(index =>
        {
            var tensor = empty(size, dtype: ScalarType.Byte);
            for (var small = 0; small < Few; small++)
                _ = empty(1);
            return tensor;
        })];

        static nint AddressOf(TorchSharp.torch.Tensor tensor) =>
            Unsafe.ByteOffset(ref Unsafe.NullRef<byte>(), ref MemoryMarshal.GetReference(tensor.bytes));
    }

    [CountedFact]
    public void Size_that_no_machine_has_is_refused_as_ever()
    {
        var before = ByteCounter.Live;

        var asked = () => empty(1L << 60, dtype: ScalarType.Byte);

        asked.Should().Throw<ExternalException>().WithMessage("*allocate*");
        ByteCounter.Live.Should().Be(before);
    }
}
