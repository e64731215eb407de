using FluentAssertions;
using LanguageModel.Data;
using Xunit;

namespace LowRankTraining.Samples.Tests.Data;

public sealed class ApiDocumentationTests : IDisposable
{
    private const string Sample = """
        <?xml version="1.0" encoding="utf-8"?>
        <doc><assembly><name>Sample</name></assembly><members>
        <member name="T:System.Sample">
          <summary>Joins <see cref="T:System.String" /> values,
             where <see langword="null" /> &lt; nothing.</summary>
        </member>
        <member name="M:System.Sample.#ctor(System.Int32)">
          <summary>Initializes a new instance of the <see cref="T:System.Sample" /> class.</summary>
          <param name="size">At most <see cref="F:System.Int32.MaxValue">Int32.MaxValue</see>.</param>
          <exception cref="T:System.ArgumentException"><paramref name="size" /> is negative.<para>-or-</para>It is odd.</exception>
        </member>
        <member name="M:System.Sample.Join(System.Collections.Generic.List{System.String})">
          <summary>See <see cref="M:System.Sample.#ctor(System.Int32)" /> and <see cref="P:System.Collections.Generic.List`1.Count" />.</summary>
          <param name="size">At most <see cref="F:System.Int32.MaxValue">Int32.MaxValue</see>.</param>
          <returns>The <typeparamref name="T" />.</returns>
          <typeparam name="T" />
        </member>
        <member name="T:System.Other`1"><summary>Another.</summary></member>
        </members></doc>
        """;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Each_type_becomes_a_document_of_plain_English()
    {
        ApiDocumentation.Documents(folder.Write("Sample.xml", Sample)).Should().Equal(
            """
            Joins String values, where null < nothing.
            Initializes a new instance of the Sample class.
            size: At most Int32.MaxValue.
            ArgumentException: size is negative. -or- It is odd.
            See Sample and List.Count.
            Returns: The T.
            """,
            "Another.");
    }

    [Fact]
    public void Members_without_white_space_between_them_are_all_read()
    {
        var dense = string.Concat(Sample.Split('\n').Select(line => line.Trim()));

        ApiDocumentation.Documents(folder.Write("Dense.xml", dense)).Should().HaveCount(2);
    }

    [Fact]
    public void Default_text_is_found_beside_the_sdk()
    {
        var (title, files) = ApiDocumentation.Find();

        title.Should().StartWith("API documentation of .NET ");
        files.Should().Contain(file => file.EndsWith("System.Runtime.xml"));
    }
}
