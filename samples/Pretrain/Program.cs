using LanguageModel.CommandLine;
using LowRankTraining.Mpi;
using Pretrain;

var world = MpiWorld.Join(ref args);
var code = SampleCommand.Run(PretrainCommand.Create(world), args);

// A process that has failed does not wait for the others: it ends them.
if (code is 0 or SampleCommand.Interrupted)
    world.Dispose();
return code;
