using LanguageModel.CommandLine;
using Pretrain;

return SampleCommand.Run(PretrainCommand.Create(), args);
