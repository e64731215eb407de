using FineTune;
using LanguageModel.CommandLine;

return SampleCommand.Run(FineTuneCommand.Create(), args);
