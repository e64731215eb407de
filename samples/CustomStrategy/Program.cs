using CustomStrategy;

// A method from outside the library is attached, trained, saved and resumed like any other.
var folder = Directory.CreateTempSubdirectory("custom-strategy-").FullName;
try
{
    Walkthrough.Run(new RandomSign { Rank = 16 }, learningRate: 0.01, folder, Console.Out);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
