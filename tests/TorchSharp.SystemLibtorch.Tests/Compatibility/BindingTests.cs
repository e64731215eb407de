using TorchSharp.ApiStubs.Api;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

public class BindingTests
{
    [BindingFact]
    public void Everything_public_in_the_binding_is_in_the_real_TorchSharp_with_the_same_signature()
    {
        var listed = new ListedShapes(ApiSurface.Real);
        using var binding = new DeclaredShapes(typeof(torch).Assembly.Location);
        Mismatches.MustBeNone(
            binding.Types().SelectMany(pair => Compare(pair.Type, pair.Members, listed)),
            "what compiles against the binding must compile against the real package");
    }

    private static IEnumerable<string> Compare(TypeShape type, IReadOnlyList<MemberShape> members, ListedShapes listed)
    {
        if (!listed.Knows(type.FullName))
        {
            yield return $"{type.FullName} is not in the list{Mismatches.Hint(Similarity.Nearest(type.FullName, listed.Types, limit: 3))}";
            yield break;
        }
        foreach (var difference in listed.TypeOf(type.FullName).Differences(type)) yield return $"{type.FullName}: {difference}";

        var expected = listed.MembersOf(type.FullName);
        foreach (var member in members)
        {
            if (expected.TryGetValue(member.Signature, out var same))
            {
                if (same.Differences(member) is { } difference) yield return $"{type.FullName} :: {member.Signature}: {difference}";
            }
            else if (!IsHarmlessOverride(type, member, listed))
            {
                yield return $"{type.FullName} :: {member.Signature} is not in the list{Mismatches.Hint(Similarity.Nearest(member.Signature, expected.Keys, limit: 3))}";
            }
        }
    }

    /// <summary>An override that the real type lacks: calls are compiled to the member it overrides, which is there.</summary>
    private static bool IsHarmlessOverride(TypeShape type, MemberShape member, ListedShapes listed) =>
        member.Traits[MemberShape.Modifiers].EndsWith("override", StringComparison.Ordinal) &&
        (member.Signature is "method ToString()" or "method GetHashCode()" or "method Equals(System.Object)" or "method Finalize()" || listed.InheritsVirtual(type.FullName, member.Signature));
}
