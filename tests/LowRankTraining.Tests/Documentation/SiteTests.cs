using FluentAssertions;
using Xunit;

namespace LowRankTraining.Tests.Documentation;

/// <summary>Readers of the site find every page.</summary>
public class SiteTests
{
    [Fact]
    public void Every_page_is_in_a_table_of_contents()
    {
        var pages = Repository.Pages.Where(page => page.StartsWith("docs/", StringComparison.Ordinal) && page != "docs/index.md").ToArray();
        pages.Should().NotBeEmpty();

        pages.Where(page => !Repository.Read($"{Path.GetDirectoryName(page)}/toc.yml".Replace('\\', '/')).Contains($"href: {Path.GetFileName(page)}\n"))
            .Should().BeEmpty("toc.yml of their folder should name them");
    }
}
