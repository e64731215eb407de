using System.Buffers.Binary;
using System.Text.Json;
using LanguageModel.Data;

namespace Compare.Runs;

/// <summary>What goes from a comparison to the process of a run: the request and the text; afterwards the wish to stop, or the end of the pipe when the
/// comparison is gone.</summary>
/// <remarks>Three parts (request, training text, validation text), each after its length in 4 bytes.</remarks>
internal static class RunPipe
{
    /// <value>The byte that asks to stop after the current step.</value>
    private const byte StopByte = 1;

    /// <summary>Writes what a run begins with.</summary>
    public static void Send(Stream pipe, RunRequest request, TextCorpus corpus)
    {
        foreach (var part in new[] { JsonSerializer.SerializeToUtf8Bytes(request), corpus.Training, corpus.Validation })
        {
            var length = new byte[sizeof(int)];
            BinaryPrimitives.WriteInt32LittleEndian(length, part.Length);
            pipe.Write(length);
            pipe.Write(part);
        }

        pipe.Flush();
    }

    /// <summary>Reads what a run begins with.</summary>
    /// <exception cref="EndOfStreamException">The pipe ends too early.</exception>
    public static (RunRequest Request, TextCorpus Corpus) Receive(Stream pipe)
    {
        var request = JsonSerializer.Deserialize<RunRequest>(Part(pipe))!;
        return (request, new TextCorpus { Source = "", Training = Part(pipe), Validation = Part(pipe) });
    }

    /// <summary>Asks the run to stop.</summary>
    public static void SendStop(Stream pipe)
    {
        pipe.WriteByte(StopByte);
        pipe.Flush();
    }

    /// <summary>Waits for the wish to stop, again and again, until the pipe ends.</summary>
    public static void Watch(Stream pipe, Action stop, Action gone)
    {
        try
        {
            while (pipe.ReadByte() == StopByte)
                stop();
        }
        catch (IOException)
        {
            // A broken pipe ends like one that was closed.
        }

        gone();
    }

    private static byte[] Part(Stream pipe)
    {
        var length = new byte[sizeof(int)];
        pipe.ReadExactly(length);
        var part = new byte[BinaryPrimitives.ReadInt32LittleEndian(length)];
        pipe.ReadExactly(part);
        return part;
    }
}
