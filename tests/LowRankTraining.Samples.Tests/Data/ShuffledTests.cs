using FluentAssertions;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public class ShuffledTests
{
    private const string Text = "A method is made of parts,\nand each of them – also 𝒫 – can be exchanged.\n";

    [Fact]
    public void Shuffled_characters_are_the_same_characters()
    {
        var shuffled = Shuffled.Characters(Text, seed: 1);

        shuffled.EnumerateRunes().Order().Should().Equal(Text.EnumerateRunes().Order());
        shuffled.Should().NotBe(Text).And.NotBe(Shuffled.Characters(Text, seed: 2)).And.Be(Shuffled.Characters(Text, seed: 1));
    }

    [Fact]
    public void Shuffled_words_are_the_same_words_between_the_same_spaces()
    {
        var shuffled = Shuffled.Words(Text, seed: 1);

        shuffled.Split().Order(StringComparer.Ordinal).Should().Equal(Text.Split().Order(StringComparer.Ordinal));
        shuffled.Split('\n').Select(line => line.Count(character => character == ' ')).Should()
            .Equal(Text.Split('\n').Select(line => line.Count(character => character == ' ')));
        shuffled.Should().NotBe(Text);
    }
}
