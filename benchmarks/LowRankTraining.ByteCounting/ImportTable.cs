using System.Runtime.InteropServices;

namespace LowRankTraining.ByteCounting;

/// <summary>The functions that a loaded ELF library calls in others: one or more slots for each, which hold its address.</summary>
internal sealed unsafe partial class ImportTable
{
    private const int LoadedOnly = 4 | 1;   // RTLD_NOLOAD | RTLD_LAZY
    private const int LinkMap = 2;          // RTLD_DI_LINKMAP
    private const int ReadWrite = 1 | 2;    // PROT_READ | PROT_WRITE

    private readonly string _library;
    private readonly Map* _map;

    private ImportTable(string library, Map* map)
    {
        _library = library;
        _map = map;
    }

    /// <summary>The table of a library that the process has loaded.</summary>
    /// <exception cref="InvalidOperationException">It is not loaded.</exception>
    public static ImportTable Of(string library)
    {
        var handle = dlopen(library, LoadedOnly);
        Map* map = null;
        if (handle == 0 || dlinfo(handle, LinkMap, &map) != 0 || map is null)
            throw new InvalidOperationException($"{library} is not loaded.");
        return new(library, map);
    }

    /// <summary>Sends the library's calls of a function to another one.</summary>
    /// <exception cref="InvalidOperationException">The library does not call it, or its table cannot be written.</exception>
    public Redirection Redirect(string function, nint replacement)
    {
        nint[] slots = [.. SlotsOf(function)];
        if (slots.Length == 0)
            throw new InvalidOperationException($"{_library} does not import {function}.");
        foreach (var slot in slots)
            MakeWritable(slot);
        return new(slots, replacement);
    }

    private List<nint> SlotsOf(string function)
    {
        List<nint> slots = [];
        Collect(Tag.Relocations, Tag.RelocationBytes);
        Collect(Tag.CallRelocations, Tag.CallRelocationBytes);
        return slots;

        void Collect(Tag table, Tag bytes)
        {
            var symbols = (Symbol*)Address(Tag.Symbols);
            var names = (byte*)Address(Tag.Names);
            var relocations = new ReadOnlySpan<Relocation>((void*)Address(table), (int)(Entry(bytes) / sizeof(Relocation)));
            foreach (var relocation in relocations)
                if (relocation.IsAddressOfFunction && Marshal.PtrToStringUTF8((nint)(names + symbols[relocation.SymbolIndex].Name)) == function)
                    slots.Add(_map->Base + relocation.Offset);
        }
    }

    // The loader has turned offsets into addresses, except where it maps this section read-only.
    private nint Address(Tag tag) => Entry(tag) is var value && value < _map->Base ? _map->Base + value : value;

    private nint Entry(Tag tag)
    {
        for (var entry = _map->Entries; entry->Tag != Tag.End; entry++)
            if (entry->Tag == tag)
                return entry->Value;
        throw new InvalidOperationException($"{_library} has no entry {tag} in its dynamic section.");
    }

    private static void MakeWritable(nint slot)
    {
        var page = Environment.SystemPageSize;
        if (mprotect(slot - slot % page, (nuint)page, ReadWrite) != 0)
            throw new InvalidOperationException("the table of imports cannot be made writable.");
    }

    [LibraryImport("libc.so.6", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint dlopen(string name, int flags);

    [LibraryImport("libc.so.6")]
    private static partial int dlinfo(nint handle, int request, Map** result);

    [LibraryImport("libc.so.6")]
    private static partial int mprotect(nint address, nuint length, int protection);

    private enum Tag : long { End = 0, CallRelocationBytes = 2, Names = 5, Symbols = 6, Relocations = 7, RelocationBytes = 8, CallRelocations = 23 }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Map
    {
        public readonly nint Base;
        public readonly byte* Path;
        public readonly DynamicEntry* Entries;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct DynamicEntry
    {
        public readonly Tag Tag;
        public readonly nint Value;
    }

    [StructLayout(LayoutKind.Sequential, Size = 24)]
    private readonly struct Symbol
    {
        public readonly uint Name;
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Relocation
    {
        private const uint GlobalData = 6, JumpSlot = 7;

        public readonly nint Offset;
        private readonly ulong _info;
        private readonly long _addend;

        public uint SymbolIndex => (uint)(_info >> 32);

        public bool IsAddressOfFunction => (uint)_info is GlobalData or JumpSlot;
    }
}
