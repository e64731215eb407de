using FluentAssertions;
using LanguageModel;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public class BatchSamplerTests
{
    private static readonly byte[] Text = [.. Enumerable.Range(0, 50_000).Select(place => (byte)(place * 31 % 251))];

    [Fact]
    public void Batch_depends_on_nothing_but_seed_and_step()
    {
        var straight = new BatchSampler(Text, rows: 4, length: 32, seed: 7);
        _ = straight.At(0);
        _ = straight.At(1);

        var resumed = new BatchSampler(Text, rows: 4, length: 32, seed: 7);

        resumed.At(2).Should().BeEquivalentTo(straight.At(2));
    }

    [Fact]
    public void Another_seed_or_step_gives_another_batch()
    {
        var sampler = new BatchSampler(Text, rows: 4, length: 32, seed: 7);

        sampler.At(3).Inputs.Should().NotEqual(sampler.At(4).Inputs);
        sampler.At(3).Inputs.Should().NotEqual(new BatchSampler(Text, rows: 4, length: 32, seed: 8).At(3).Inputs);
    }

    [Fact]
    public void Targets_are_the_inputs_one_place_on()
    {
        var batch = new BatchSampler(Text, rows: 2, length: 32, seed: 7).At(5);

        for (var row = 0; row < 2; row++)
            batch.Targets[(row * 32)..(row * 32 + 31)].Should().Equal(batch.Inputs[(row * 32 + 1)..(row * 32 + 32)]);
    }

    [Fact]
    public void One_pass_takes_every_window_once()
    {
        // Numbered windows of two bytes: the first byte of a window tells which one it is, whatever the shift.
        byte[] numbered = [.. Enumerable.Range(0, 200).SelectMany(window => new[] { (byte)window, (byte)window })];
        var sampler = new BatchSampler(numbered, rows: 1, length: 2, seed: 3);

        var first = Enumerable.Range(0, (int)sampler.Windows).Select(step => sampler.At(step).Inputs[0]).ToList();
        var second = Enumerable.Range((int)sampler.Windows, (int)sampler.Windows).Select(step => sampler.At(step).Inputs[0]).ToList();

        first.Should().OnlyHaveUniqueItems().And.HaveCount(198);
        second.Should().OnlyHaveUniqueItems().And.NotEqual(first);
        first.Should().NotBeInAscendingOrder();
    }

    [Fact]
    public void Too_little_text_is_refused()
    {
        var create = () => new BatchSampler(new byte[64], rows: 1, length: 32, seed: 0);

        create.Should().Throw<UserException>().WithMessage("*64 bytes*--seq*");
    }

    [Fact]
    public void Validation_sequences_are_fixed_and_do_not_overlap()
    {
        var batches = ValidationSet.Batches(Text, rows: 3, length: 100, tokens: 1000);
        var together = ValidationSet.Batches(Text, rows: 50, length: 100, tokens: 1000);

        batches.Select(batch => batch.Rows).Should().Equal(3, 3, 3, 1);
        batches.SelectMany(batch => batch.Inputs).Should().Equal(together.Single().Inputs);
    }

    [Fact]
    public void Validation_takes_all_of_a_short_text()
    {
        var batches = ValidationSet.Batches(Text[..1001], rows: 4, length: 100, tokens: 1_000_000);

        batches.SelectMany(batch => batch.Inputs).Should().Equal(Text[..1000].Select(token => (long)token));
    }
}
