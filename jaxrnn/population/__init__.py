"""Many runs side by side: plan, layout on the devices, compiled programs."""
