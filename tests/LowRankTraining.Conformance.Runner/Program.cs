using LowRankTraining.Conformance.Battery;
using LowRankTraining.Conformance.Runner;

string? filter = null;
if (args is ["--filter", var text])
    filter = text;
else if (args.Length > 0)
{
    Console.Error.WriteLine(
        "Usage: conformance [--filter TEXT]    runs battery and golden cases, or those whose name contains TEXT; LRT_DEVICE=cuda runs them on a GPU");
    return 2;
}

return new TestRun(filter).Of(typeof(Problems).Assembly);
