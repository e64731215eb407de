namespace LowRankTraining.Mpi;

/// <summary>Which program has started this one, as its environment tells.</summary>
internal static class Launcher
{
    /// <summary>What launchers of MPI libraries with the ABI of MPICH, and of MS-MPI, set for every process.</summary>
    private static readonly string[] OfMpich = ["PMI_RANK", "PMI_SIZE", "PMIX_RANK", "PMI_FD", "PMI_ID", "MPI_LOCALNRANKS"];

    /// <value>Whether a launcher of MPI has started this process, together with others.</value>
    public static bool IsMpi => OfMpich.Any(IsSet);

    /// <exception cref="NotSupportedException">It was the launcher of Open MPI.</exception>
    public static void RefuseOpenMpi()
    {
        if (IsSet("OMPI_COMM_WORLD_SIZE"))
            throw new NotSupportedException("This process was started by the mpiexec of Open MPI, whose handles are pointers and do not fit MPI.NET. "
                + "Install MPICH (apt-get install mpich) and start with mpiexec.mpich; on a cluster load a module of MPICH, Intel MPI, MVAPICH or Cray MPICH.");
    }

    /// <summary>A number that the launcher has set, or null.</summary>
    public static int? Number(string name) => int.TryParse(System.Environment.GetEnvironmentVariable(name), out var number) ? number : null;

    private static bool IsSet(string name) => !string.IsNullOrEmpty(System.Environment.GetEnvironmentVariable(name));
}
