namespace TorchSharp.ApiStubs.Stubs;

/// <summary>The source form of operators, which metadata knows as methods with special names.</summary>
public static class Operators
{
    private static readonly Dictionary<string, string> Symbols = new()
    {
        ["op_Addition"] = "+", ["op_Subtraction"] = "-", ["op_Multiply"] = "*", ["op_Division"] = "/", ["op_Modulus"] = "%",
        ["op_UnaryNegation"] = "-", ["op_UnaryPlus"] = "+", ["op_LogicalNot"] = "!", ["op_OnesComplement"] = "~", ["op_Increment"] = "++", ["op_Decrement"] = "--",
        ["op_BitwiseAnd"] = "&", ["op_BitwiseOr"] = "|", ["op_ExclusiveOr"] = "^", ["op_LeftShift"] = "<<", ["op_RightShift"] = ">>",
        ["op_Equality"] = "==", ["op_Inequality"] = "!=", ["op_LessThan"] = "<", ["op_LessThanOrEqual"] = "<=",
        ["op_GreaterThan"] = ">", ["op_GreaterThanOrEqual"] = ">=", ["op_True"] = "true", ["op_False"] = "false",
    };

    /// <summary>What stands before an operator's parameters, or null where the name is an ordinary method's.</summary>
    public static string? Declaration(string name, string returns) => name switch
    {
        "op_Implicit" => $"implicit operator {returns}",
        "op_Explicit" => $"explicit operator {returns}",
        _ => Symbols.TryGetValue(name, out var symbol) ? $"{returns} operator {symbol}" : null,
    };
}
