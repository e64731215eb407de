using LanguageModel.CommandLine;
using Shuffle;

return SampleCommand.Run(ShuffleCommand.Create(), args);
