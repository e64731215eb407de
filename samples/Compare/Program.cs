using Compare;
using LanguageModel.CommandLine;

return SampleCommand.Run(CompareCommand.Create(), args);
