using CustomStrategy;

// Methods from outside the library are attached, trained, saved and resumed like any other.
var folder = Directory.CreateTempSubdirectory("custom-strategy-").FullName;
try
{
    Walkthrough.Run(new RandomSign { Rank = 16 }, learningRate: 0.01, Path.Combine(folder, "gradient-space"), Console.Out);
    Walkthrough.Run(new DoublingLoRA { Rank = 8 }, learningRate: 0.01, Path.Combine(folder, "weight-space"), Console.Out);
}
finally
{
    Directory.Delete(folder, recursive: true);
}
