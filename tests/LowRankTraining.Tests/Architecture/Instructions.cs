using System.Reflection;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;

namespace LowRankTraining.Tests.Architecture;

/// <summary>Reads the code of methods.</summary>
internal static class Instructions
{
    private const BindingFlags Declared =
        BindingFlags.DeclaredOnly | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static;

    private static readonly Dictionary<short, OperandType> Operands = typeof(OpCodes).GetFields()
        .Select(field => (OpCode)field.GetValue(null)!).ToDictionary(code => code.Value, code => code.OperandType);

    /// <summary>The types, methods, fields and signatures that the instructions name, and whether they are asked for (<c>is</c>, <c>as</c>, a
    /// pattern).</summary>
    public static IEnumerable<(EntityHandle Token, bool IsTypeTest)> Tokens(byte[] code)
    {
        for (var at = 0; at < code.Length;)
        {
            var instruction = code[at] == 0xFE ? unchecked((short)(0xFE00 | code[at + 1])) : code[at];
            at += code[at] == 0xFE ? 2 : 1;
            var operand = Operands[instruction];
            if (operand is OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineType or OperandType.InlineTok or OperandType.InlineSig)
                yield return (MetadataTokens.EntityHandle(BitConverter.ToInt32(code, at)), instruction == OpCodes.Isinst.Value);
            at += operand switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                OperandType.InlineSwitch => 4 + 4 * BitConverter.ToInt32(code, at),
                _ => 4,
            };
        }
    }

    /// <summary>The methods and constructors that a type declares.</summary>
    public static IEnumerable<MethodBase> MethodsOf(Type type) => type.GetMethods(Declared).Concat<MethodBase>(type.GetConstructors(Declared));

    /// <summary>The methods that a method calls, in the order of its code.</summary>
    public static IEnumerable<MethodBase> Called(MethodBase method)
    {
        if (method.GetMethodBody()?.GetILAsByteArray() is not { } code)
            return [];
        var ofType = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : null;
        var ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : null;
        return Tokens(code)
            .Where(used => used.Token.Kind is HandleKind.MethodDefinition or HandleKind.MemberReference or HandleKind.MethodSpecification)
            .Select(used => method.Module.ResolveMember(MetadataTokens.GetToken(used.Token), ofType, ofMethod)).OfType<MethodBase>();
    }
}
