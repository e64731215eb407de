using Xunit;

// Two cores: tests side by side only get into each other's way, and a product split over other threads rounds differently.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
