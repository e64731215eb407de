using FluentAssertions;
using TorchSharp.ApiStubs.Api;
using Xunit;

namespace TorchSharp.SystemLibtorch.Tests.Compatibility;

public class ApiSurfaceTests
{
    [Fact]
    public void Every_line_of_the_list_is_read()
    {
        var surface = ApiSurface.Real;
        (surface.Types.Count + surface.Members.Sum(members => members.Count())).Should().Be(9309, "the list's head says so");
    }

    [Theory]
    [InlineData("N.C.M(long a, bool? b = null, params int[] c) : method public static System.Half",
        "static System.Half M(System.Int64, System.Nullable`1<System.Boolean>, System.Int32[])")]
    [InlineData("N.C.M<T>(this T a, out string b) : method public static T[,][] where T : System.IDisposable, new()", "static !!0[][,] M``1(!!0, System.String&)")]
    [InlineData("N.C.M(System.Func<(int first, N.D<object>.E), byte> a = default) : method public virtual void",
        "System.Void M(System.Func`2<System.ValueTuple`2<System.Int32,N.D`1.E<System.Object>>,System.Byte>)")]
    [InlineData("N.C..ctor(string a = \"x, y)\", char b = ')') : ctor protected ", "System.Void .ctor(System.String, System.Char)")]
    [InlineData("N.C.F : field public static readonly double?", "System.Nullable`1<System.Double> F")]
    [InlineData("N.C.op_Implicit(int a) : method public static N.C [Obsolete:error]", "static N.C op_Implicit(System.Int32)")]
    [InlineData("N.C.this[System.Range a] : property public long { get; protected set; }", "System.Void set_Item(System.Range, System.Int64)")]
    [InlineData("N.C.Changed : event public System.Action", "System.Void add_Changed(System.Action)")]
    public void A_line_means_what_metadata_calls_it(string line, string target) =>
        new CallTargets(ApiSurface.Parse(["N.C : type public class", line])).Contains("N.C", target).Should().BeTrue();

    [Theory]
    [InlineData("TorchSharp.torch.Tensor", "TorchSharp.torch.Tensor add_(TorchSharp.torch.Tensor, TorchSharp.Scalar)", true)]
    [InlineData("TorchSharp.torch.Tensor", "TorchSharp.torch.Tensor add_(TorchSharp.torch.Tensor, System.Double)", false)]
    [InlineData("TorchSharp.torch.Tensor", "static TorchSharp.torch.Tensor add_(TorchSharp.torch.Tensor, TorchSharp.Scalar)", false)]
    [InlineData("TorchSharp.Modules.Parameter", "TorchSharp.torch.Tensor get_grad()", true)]
    [InlineData("TorchSharp.torch.Tensor", "TorchSharp.torch.Tensor get_Item(System.Int64)", true)]
    [InlineData("TorchSharp.Modules.Sequential`2", "TorchSharp.torch.nn.Module get_SequentialItems(System.Int32)", true)]
    public void Targets_are_found_by_their_whole_signature(string type, string target, bool found) =>
        new CallTargets(ApiSurface.Real).Contains(type, target).Should().Be(found);

    [Theory]
    [InlineData("N.C.M(long a, bool b = true) : method public N.C", null)]
    [InlineData("N.C.M(long a, bool b = false) : method public N.C", "parameters 'a, b = false' should be 'a, b = true'")]
    [InlineData("N.C.M(long x, bool b = true) : method public N.C", "parameters 'x, b = true' should be 'a, b = true'")]
    [InlineData("N.C.M(long a, bool b = true) : method public virtual N.C", "modifiers 'public virtual' should be 'public'")]
    [InlineData("N.C.M(long a, bool b = true) : method public object", "type 'System.Object' should be 'N.C'")]
    public void A_member_differs_where_source_would_notice(string line, string? difference) =>
        Shape("N.C.M(long a, bool b = true) : method public N.C").Differences(Shape(line)).Should().Be(difference);

    private static MemberShape Shape(string line) => new ListedShapes(ApiSurface.Parse(["N.C : type public class", line])).MembersOf("N.C").Values.Single();
}
