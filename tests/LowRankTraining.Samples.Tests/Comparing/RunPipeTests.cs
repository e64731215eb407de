using Compare.Runs;
using FluentAssertions;
using LanguageModel.Data;
using LanguageModel.Methods;
using Xunit;

namespace LowRankTraining.Samples.Tests.Comparing;

public sealed class RunPipeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Request_and_text_arrive_as_they_were_sent()
    {
        var request = RunRequest.For(Comparisons.Settings(folder, "lora") with { Scale = 0.1, RefreshEvery = 7 }, AllMethods.Find("lora"), 2e-3, seed: -3);
        var corpus = TextCorpus.Split("test", ["one document", "another document", "a third"]);
        using var pipe = new MemoryStream();

        RunPipe.Send(pipe, request, corpus);
        pipe.Position = 0;
        var arrived = RunPipe.Receive(pipe);

        arrived.Request.Should().Be(request);
        arrived.Corpus.Hash.Should().Be(corpus.Hash);
    }

    [Fact]
    public void Text_that_breaks_off_is_not_taken_for_the_whole()
    {
        using var pipe = new MemoryStream();
        RunPipe.Send(pipe, RunRequest.For(Comparisons.Settings(folder, "lora"), AllMethods.Find("lora"), 2e-3, 1), TextCorpus.Split("test", ["one", "two"]));
        pipe.SetLength(pipe.Length - 1);
        pipe.Position = 0;

        var receive = () => RunPipe.Receive(pipe);

        receive.Should().Throw<EndOfStreamException>();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Wishes_to_stop_are_heard_until_the_comparison_is_gone(int wishes)
    {
        using var pipe = new MemoryStream();
        for (var wish = 0; wish < wishes; wish++)
            RunPipe.SendStop(pipe);
        pipe.Position = 0;
        var (stops, ends) = (0, 0);

        RunPipe.Watch(pipe, () => stops++, () => ends++);

        (stops, ends).Should().Be((wishes, 1));
    }
}
