// Writes the whole public surface of the real TorchSharp as a project of stubs. Usage: TorchSharp.ApiStubs FOLDER

using System.Globalization;
using TorchSharp.ApiStubs.Api;
using TorchSharp.ApiStubs.Stubs;

if (args is not [var folder])
{
    Console.Error.WriteLine("Usage: TorchSharp.ApiStubs FOLDER");
    return 2;
}

var (written, leftOut) = StubProject.Write(ApiSurface.Real, folder);
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{written} types and members written; left out, for want of other packages:"));
foreach (var line in leftOut) Console.WriteLine($"  {line}");
return 0;
