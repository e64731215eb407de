using System;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>Makes a copy of TorchSharp's native library that a libstdc++ older than GCC 13's loads.</summary>
/// <remarks>
/// The library of the package asks for version GLIBCXX_3.4.32 of libstdc++.so.6. Behind that version stands one symbol, an empty marker that nothing calls
/// and no relocation refers to, so the need may be marked weak: one bit of the ELF file's section .gnu.version_r. Compiled by the build for .NET Standard 2.0.
/// </remarks>
public sealed class LoadableTorchSharp : Task
{
    private const string Runtime = "libstdc++.so.6", Version = "GLIBCXX_3.4.32";
    private const int VersionNeeds = 0x6ffffffe;                                        // SHT_GNU_verneed
    private const int Weak = 2;                                                         // VER_FLG_WEAK

    private byte[] file;

    /// <value>The package's library; it is only read.</value>
    [Required]
    public string Library { get; set; }

    /// <value>The folder for the copy.</value>
    [Required]
    public string Folder { get; set; }

    /// <value>The copy.</value>
    [Output]
    public string Loadable { get; set; }

    /// <inheritdoc/>
    public override bool Execute()
    {
        Loadable = Path.Combine(Folder, Path.GetFileName(Library));
        // a copy of the package's own time and size would pass for unchanged in an output folder
        var written = File.GetLastWriteTimeUtc(Library).AddMinutes(1);
        if (File.Exists(Loadable) && File.GetLastWriteTimeUtc(Loadable) == written)
            return true;

        try
        {
            file = File.ReadAllBytes(Library);
            MakeNeedWeak();
        }
        catch (Exception damage)
            when (damage is ArgumentException || damage is IndexOutOfRangeException || damage is InvalidDataException || damage is InvalidOperationException)
        {
            Log.LogError(null, "LRT0004", null, Library, 0, 0, 0, 0,
                "This is not a complete native library. Delete the package's folder {0} and restore again.",
                Path.GetFullPath(Path.Combine(Path.GetDirectoryName(Library), "..", "..", "..")));
            return false;
        }
        Replace(Loadable, written);
        Log.LogMessage(MessageImportance.High, "{0} is a copy of TorchSharp's native library that loads beside a C++ runtime older than GCC 13's.", Loadable);
        return true;
    }

    private void MakeNeedWeak()
    {
        if (Int(0) != 0x464c457f)                                                       // "\x7fELF"
            throw new InvalidDataException();
        var needs = Enumerable.Range(0, Short(0x3c)).Select(Section).First(section => Int(section + 4) == VersionNeeds);
        var names = Long(Section(Int(needs + 0x28)) + 0x18);
        var need = Long(needs + 0x18);
        for (var left = Int(needs + 0x2c); left > 0; left--, need += Int(need + 12))
        {
            var version = need + Int(need + 8);
            for (var versions = Short(need + 2); versions > 0; versions--, version += Int(version + 12))
            {
                if (Text(names + Int(need + 4)) == Runtime && Text(names + Int(version + 8)) == Version)
                    file[version + 4] |= Weak;
            }
        }
    }

    /// <summary>Written beside it and renamed: projects are built at the same time, and programs may have the old copy open.</summary>
    private void Replace(string copy, DateTime written)
    {
        Directory.CreateDirectory(Folder);
        var fresh = copy + "." + Guid.NewGuid().ToString("N");
        File.WriteAllBytes(fresh, file);
        File.SetLastWriteTimeUtc(fresh, written);
        if (File.Exists(copy))
            File.Delete(copy);
        File.Move(fresh, copy);
    }

    private long Section(int index) => Long(0x28) + index * Short(0x3a);               // e_shoff, e_shentsize

    private string Text(long offset)
    {
        var end = Array.IndexOf(file, (byte)0, checked((int)offset));
        return Encoding.ASCII.GetString(file, (int)offset, end - (int)offset);
    }

    private long Long(long offset) => BitConverter.ToInt64(file, checked((int)offset));

    private int Int(long offset) => BitConverter.ToInt32(file, checked((int)offset));

    private ushort Short(long offset) => BitConverter.ToUInt16(file, checked((int)offset));
}
