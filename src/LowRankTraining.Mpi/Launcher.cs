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

    /// <summary>Ends what would be many processes that train alone, each for itself.</summary>
    /// <param name="size">How many processes the library knows.</param>
    /// <param name="environment">Is disposed before the exception.</param>
    /// <exception cref="NotSupportedException">The launcher has started more than one, and the library knows of one.</exception>
    public static void RefuseStrangers(int size, IDisposable environment)
    {
        if (size > 1 || Number("PMI_SIZE") is not > 1)
            return;

        environment.Dispose();
        throw new NotSupportedException($"mpiexec has started {Number("PMI_SIZE")} processes, and the MPI library knows of this one only: the two do not "
            + "belong together, and every process would train alone. Start with the mpiexec of the library that is loaded (mpiexec.mpich). "
            + "The package mpich 4.2.0-5build3 of Ubuntu 24.04 is built like this: install another one (https://bugs.launchpad.net/bugs/2072338).");
    }

    /// <summary>A number that the launcher has set, or null.</summary>
    public static int? Number(string name) => int.TryParse(System.Environment.GetEnvironmentVariable(name), out var number) ? number : null;

    private static bool IsSet(string name) => !string.IsNullOrEmpty(System.Environment.GetEnvironmentVariable(name));
}
